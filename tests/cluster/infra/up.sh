#!/usr/bin/env bash
# Brings a kind cluster up, from nothing if need be: engine, tools, node image, cluster, metrics-server; waits until all
# is Ready. Mends a cluster that a reboot left dead or half alive, and makes it anew where that does not help.
# usage: up.sh [NAME [CONFIG]]          NAME is modelmoor unless given, CONFIG kind-config.yaml (read when it is made)
#        up.sh --kubeconfig [NAME]      print the path of its kubeconfig (a file of its own; ~/.kube is never touched)
source "$(dirname "$0")/lib.sh"
source "$infra/go.sh"
source "$infra/metrics-server.sh"

case "${1:-}" in
  --kubeconfig) echo "$cache/clusters/${2:-modelmoor}"; exit ;;
  -*) usage 2 ;;
esac
config=${2:-$repository/kind-config.yaml}
name=${1:-modelmoor} kubeconfig=$cache/clusters/${1:-modelmoor} bin=$("$infra/tools.sh" --bin)
[[ "$name" =~ ^[a-z0-9.-]+$ ]] || fail "a cluster's name holds lower-case letters, digits, dots and dashes only" 2

kubectl() { "$bin/kubectl" --kubeconfig "$kubeconfig" --request-timeout "${timeout:-5s}" "$@"; }
nodes() { docker ps -a --filter "label=io.x-k8s.kind.cluster=$name" --format '{{.Names}}' "$@"; }

# A node's last word may be older than its death: the API server is asked to reach each kubelet now
alive() {
  local node
  [ "$(nodes)" = "$(nodes --filter status=running)" ] && kubectl get --raw /readyz || return 1
  for node in $(nodes); do kubectl get --raw "/api/v1/nodes/$node/proxy/healthz" && kubectl get node "$node" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep True || return 1; done
} >/dev/null 2>&1

await_alive() { # await_alive SECONDS
  local end=$((SECONDS + $1))
  until alive; do ((SECONDS < end)) || return 1; sleep 1; done
}

export_kubeconfig() { mkdir -p "$cache/clusters" && "$bin/kind" export kubeconfig -q --name "$name" --kubeconfig "$kubeconfig" 2>/dev/null; }

mend() {
  say "cluster $name: does not answer; restarting its node"
  nodes | xargs docker restart -t 5 >/dev/null && export_kubeconfig && await_alive 90 && return
  say "cluster $name: still does not answer; it is deleted and made anew"
  "$bin/kind" delete cluster -q --name "$name" --kubeconfig "$kubeconfig"
  return 1
}

create() {
  local image
  image=$("$infra/node-image.sh")
  mkdir -p "$cache/clusters"
  rm -f "$kubeconfig"
  timed "create cluster $name" "$bin/kind" create cluster --name "$name" --image "$image" --kubeconfig "$kubeconfig" --config "$config"
  kubectl -n kube-system scale deployment coredns --replicas=1 >/dev/null # one node: a second one only takes its share
}

install_metrics_server() {
  local manifest version
  version=$(cd "$infra" && hash_of metrics-server.sh go/kubernetes/go.mod)
  [ "$(kubectl -n kube-system get deployment metrics-server --ignore-not-found -o "jsonpath={.metadata.annotations['modelmoor\.dev/manifest']}")" = "$version" ] && return
  manifest=$cache/metrics-server-$version.yaml
  if [ ! -f "$manifest" ]; then metrics_server_manifest >"$manifest.$$" && publish "$manifest.$$" "$manifest"; fi
  kubectl apply -f "$manifest" >/dev/null
  kubectl -n kube-system annotate deployment metrics-server --overwrite "modelmoor.dev/manifest=$version" >/dev/null
  say "metrics-server: installed"
}

await_ready() {
  local timeout=180s
  kubectl wait --for=condition=Ready node --all --timeout=120s &&
    kubectl -n kube-system wait --for=condition=Available deployment --all --timeout=120s &&
    kubectl -n local-path-storage wait --for=condition=Available deployment --all --timeout=120s &&
    kubectl wait --for=condition=Available apiservice v1beta1.metrics.k8s.io --timeout=120s
} >/dev/null

started=$SECONDS
"$infra/engine.sh"
"$infra/tools.sh" kubectl helm kind
locked "cluster-$name"
if [ -n "$(nodes)" ]; then
  [ -f "$kubeconfig" ] || export_kubeconfig || true
  alive || mend || create
else
  create
fi
install_metrics_server
await_ready || fail "the cluster runs, but not all of it became Ready in time: kubectl --kubeconfig $kubeconfig get pods -A says what did not."
say "cluster $name: ready after $((SECONDS - started)) s (KUBECONFIG=$kubeconfig)"
