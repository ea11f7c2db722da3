#!/usr/bin/env bash
# KEDA for a control plane without nodes: its operator, metrics server and admission webhooks as processes.
# usage: keda.sh build          build the three programs where they are missing, and print their folder (about ten
#                               minutes on two idle cores, once)
#        keda.sh start FOLDER   apply its CRDs to the cluster of $KUBECONFIG, start the three, wait until they answer
#        keda.sh stop FOLDER    end exactly the processes that were started for FOLDER
# The control plane needs the aggregation flags that control-plane.sh sets.
source "$(dirname "$0")/lib.sh"
source "$infra/go.sh"

declare -A packages=([keda]=./cmd/operator [keda-adapter]=./cmd/adapter [keda-webhooks]=./cmd/webhooks)

build() {
  local folder name source copy
  folder=$(module_folder keda)
  for name in keda keda-adapter keda-webhooks; do
    [ -x "$folder/$name" ] && continue
    locked program-keda
    find_go keda
    if [ -z "${copy:-}" ]; then
      source=$(source_of keda github.com/kedacore/keda/v2)
      scratch
      copy=$temporary/source
      cp -r --no-preserve=mode "$source" "$copy"
    fi
    GOWORK=off CGO_ENABLED=0 timed "build $name" "$go" -C "$copy" build -trimpath -buildvcs=false -ldflags "-s -w" -o "$temporary/$name" "${packages[$name]}"
    publish "$temporary/$name" "$folder/$name"
  done
  echo "$folder"
}

kubectl() { "$("$infra/tools.sh" --bin)/kubectl" "$@"; }

# running NAME: a pid file may outlive its process, and its number may be another's by now; the path in argv[0] is ours
running() { [ -f "$1.pid" ] && [ "$(head -zn1 "/proc/$(<"$1.pid")/cmdline" 2>/dev/null | tr -d '\0')" = "$PWD/$1" ]; }

stop() {
  local name
  for name in "${!packages[@]}"; do
    if running "$name"; then kill -CONT "$(<"$name.pid")" && kill "$(<"$name.pid")"; fi
    for _ in {1..50}; do running "$name" || break; sleep 0.1; done
    if running "$name"; then kill -9 "$(<"$name.pid")"; fi
    rm -f "$name.pid"
  done
}

launch() { # launch NAME FLAGS...
  local name=$1
  shift
  if running "$name"; then fail "$PWD runs already: stop it first"; fi
  setsid "$PWD/$name" --kubeconfig "$KUBECONFIG" --cert-dir "$PWD" "$@" </dev/null >"$name.log" 2>&1 9>&- &
  echo $! >"$name.pid"
}

certificate() { # one for all three: they read ca.crt, tls.crt and tls.key
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=ca -keyout ca.key -out ca.crt
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=keda -keyout tls.key -out tls.csr
  openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile <(echo subjectAltName=IP:127.0.0.1,DNS:localhost) -out tls.crt
} 2>/dev/null

# as in KEDA's release, but for where the servers are: beside the API server, not in the cluster
registrations() {
  cat <<YAML
apiVersion: v1
kind: Service
metadata: {name: keda-metrics-apiserver, namespace: keda}
spec: {type: ExternalName, externalName: localhost, ports: [{port: $1}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  service: {name: keda-metrics-apiserver, namespace: keda, port: $1}
  group: external.metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: keda-admission}
webhooks:
- name: vscaledobject.kb.io
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://127.0.0.1:$2/validate-keda-sh-v1alpha1-scaledobject", caBundle: $(base64 -w0 ca.crt)}
  failurePolicy: Ignore
  rules: [{apiGroups: [keda.sh], apiVersions: [v1alpha1], operations: [CREATE, UPDATE], resources: [scaledobjects]}]
  sideEffects: None
  timeoutSeconds: 10
YAML
}

start() { # start FOLDER
  local programs ports
  programs=$(build)
  mkdir -p "$1" && cd "$1"
  ln -sf "$programs"/keda* .
  kubectl apply --server-side -f "$(source_of keda github.com/kedacore/keda/v2)/config/crd/bases" >/dev/null
  kubectl create namespace keda --dry-run=client -o yaml | kubectl apply --server-side -f - >/dev/null
  [ -f tls.crt ] || certificate
  mapfile -t ports < <(python3 -c 'import socket; s = [socket.create_server(("127.0.0.1", 0)) for _ in range(9)]; print(*(x.getsockname()[1] for x in s), sep="\n")')
  export POD_NAMESPACE=keda KEDA_CLUSTER_OBJECT_NAMESPACE=keda WATCH_NAMESPACE=""
  launch keda --metrics-bind-address "127.0.0.1:${ports[0]}" --health-probe-bind-address "127.0.0.1:${ports[1]}" \
    --metrics-service-bind-address "127.0.0.1:${ports[2]}"
  launch keda-adapter --authentication-kubeconfig "$KUBECONFIG" --authorization-kubeconfig "$KUBECONFIG" \
    --lister-kubeconfig "$KUBECONFIG" --bind-address 127.0.0.1 --secure-port "${ports[3]}" --port "${ports[4]}" \
    --tls-cert-file tls.crt --tls-private-key-file tls.key --client-ca-file ca.crt --metrics-service-address "127.0.0.1:${ports[2]}"
  launch keda-webhooks --port "${ports[5]}" --metrics-bind-address "127.0.0.1:${ports[6]}" --health-probe-bind-address "127.0.0.1:${ports[7]}"
  registrations "${ports[3]}" "${ports[5]}" | kubectl apply --server-side -f - >/dev/null
  kubectl wait --for=condition=Available apiservice/v1beta1.external.metrics.k8s.io --timeout=60s >/dev/null
  for port in "${ports[1]}" "${ports[7]}"; do
    curl -sf --retry 60 --retry-delay 1 --retry-all-errors -o /dev/null "http://127.0.0.1:$port/readyz" || fail "KEDA did not start; its logs are in $PWD"
  done
  curl -sk --retry 60 --retry-delay 1 --retry-all-errors -o /dev/null "https://127.0.0.1:${ports[5]}/" || fail "KEDA's webhooks did not start; see $PWD/keda-webhooks.log"
}

case "${1:-}:$#" in
  build:1) build ;;
  start:2) start "$2" ;;
  stop:2) if [ -d "$2" ]; then cd "$2" && stop; fi ;;
  -h:1 | --help:1) usage 0 ;;
  *) usage 2 ;;
esac
