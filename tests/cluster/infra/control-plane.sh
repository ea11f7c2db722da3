#!/usr/bin/env bash
# A real control plane without nodes, for fast tests: etcd, kube-apiserver and kube-controller-manager, as any user.
# usage: control-plane.sh start KUBE FOLDER   start, wait until it answers (4 to 5 s), print KUBECONFIG=FOLDER/kubeconfig
#        control-plane.sh stop FOLDER         end exactly the processes that were started for FOLDER
# KUBE is the binary that tools.sh makes. Several run at once: ports are free ones of the loopback interface.
# SERVERS is another binary for API server and controller-manager: of another version, by program.sh kubernetes MINOR.
# Environment: API_PORT, ETCD_PORT, ETCD_PEER_PORT; ETCD_DIR (a tmpfs is quicker); SCHEDULER=1 adds kube-scheduler;
# APISERVER_ARGS, KCM_ARGS, SCHEDULER_ARGS: more flags, for example KCM_ARGS="--kube-api-qps=500 --kube-api-burst=1000".
# shellcheck disable=SC2086  # the *_ARGS are lists of flags
set -euo pipefail

components=(kube-scheduler kube-controller-manager kube-apiserver etcd)

# running COMPONENT: a pid file may outlive its process, and its number may be another's by now; the path in argv[0] is ours
running() {
  local pid
  [ -f "$1.pid" ] && pid=$(<"$1.pid") && [ "$(head -zn1 "/proc/$pid/cmdline" 2>/dev/null | tr -d '\0')" = "$PWD/$1" ]
}

stop() {
  local component
  for component in "${components[@]}"; do
    if running "$component"; then kill "$(<"$component.pid")" 2>/dev/null || true; fi
    for _ in {1..100}; do running "$component" || break; sleep 0.1; done
    if running "$component"; then kill -9 "$(<"$component.pid")" 2>/dev/null || true; fi
    rm -f "$component.pid"
  done
}

# launch COMPONENT FLAGS...: in a session of its own and with none of the caller's files open, so that
# $(control-plane.sh start ...) returns and no lock is kept
launch() {
  local component=$1
  shift
  (
    for fd in "/proc/$BASHPID/fd/"*; do fd=${fd##*/}; [ "$fd" -le 2 ] || eval "exec $fd>&-"; done
    exec setsid "$PWD/$component" "$@"
  ) </dev/null >"$component.log" 2>&1 &
  echo $! >"$component.pid"
}

# await COMPONENT COMMAND...: until the command succeeds; fails at once when the component is dead, after 60 s anyway
await() {
  local component=$1
  shift
  for _ in {1..600}; do
    if "$@" >/dev/null 2>&1; then return; fi
    kill -0 "$(<"$component.pid")" 2>/dev/null || break
    sleep 0.1
  done
  echo "$component did not start; the end of $PWD/$component.log:" >&2
  tail -n 5 "$component.log" >&2
  stop
  exit 1
}

certificates() {
  [ -f sa.key ] || openssl genrsa -out sa.key 2048 2>/dev/null
  [ -f front.crt ] && return # what the aggregation layer shows to the servers behind it
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=front-proxy-ca -keyout front-ca.key -out front-ca.crt 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=front-proxy-client -keyout front.key -out front.csr 2>/dev/null
  openssl x509 -req -in front.csr -CA front-ca.crt -CAkey front-ca.key -CAcreateserial -days 3650 -out front.crt 2>/dev/null
}

start() {
  local kube=$1 component api etcd peer
  for component in "${components[@]}"; do
    if running "$component"; then echo "$PWD runs already: stop it first" >&2; exit 1; fi
    ln -sf "$kube" "$component"
  done
  if [ "${SERVERS:-}" ]; then
    for component in kube-apiserver kube-controller-manager; do ln -sf "$SERVERS" "$component"; done
  fi
  ln -sf "$kube" kubectl
  read -r api etcd peer < <(python3 -c 'import socket; s = [socket.create_server(("127.0.0.1", 0)) for _ in "123"]; print(*(x.getsockname()[1] for x in s))')
  api=${API_PORT:-$api} etcd=${ETCD_PORT:-$etcd} peer=${ETCD_PEER_PORT:-$peer}
  certificates
  echo "admintoken,admin,admin,system:masters" >tokens.csv

  launch etcd --data-dir="${ETCD_DIR:-$PWD/etcd-data}" --unsafe-no-fsync \
    --listen-client-urls="http://127.0.0.1:$etcd" --advertise-client-urls="http://127.0.0.1:$etcd" \
    --listen-peer-urls="http://127.0.0.1:$peer" --initial-advertise-peer-urls="http://127.0.0.1:$peer" --initial-cluster="default=http://127.0.0.1:$peer"
  # the advertised address is used by nobody; without one, a machine with no default route cannot start the API server
  launch kube-apiserver --advertise-address=198.51.100.1 --etcd-servers="http://127.0.0.1:$etcd" \
    --secure-port="$api" --bind-address=127.0.0.1 --cert-dir=certs --authorization-mode=RBAC --token-auth-file=tokens.csv \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=sa.key --service-account-signing-key-file=sa.key \
    --service-cluster-ip-range=10.0.0.0/16 --requestheader-client-ca-file=front-ca.crt --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file=front.crt --proxy-client-key-file=front.key ${APISERVER_ARGS:-}
  cat >kubeconfig <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$api", certificate-authority: "$PWD/certs/apiserver.crt"}}]
users: [{name: u, user: {token: admintoken}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
CONFIG
  await kube-apiserver ./kubectl --kubeconfig kubeconfig get --raw /readyz
  launch kube-controller-manager --kubeconfig=kubeconfig --service-account-private-key-file=sa.key --root-ca-file=certs/apiserver.crt \
    --leader-elect=false --secure-port=0 ${KCM_ARGS:-}
  if [ "${SCHEDULER:-}" ]; then launch kube-scheduler --kubeconfig=kubeconfig --leader-elect=false --secure-port=0 ${SCHEDULER_ARGS:-}; fi
  await kube-controller-manager ./kubectl --kubeconfig kubeconfig get serviceaccount default
  echo "KUBECONFIG=$PWD/kubeconfig"
}

enter() { mkdir -p "$1" && cd "$1" && cd "$(pwd -P)"; }

case "${1:-}:$#" in
  start:3)
    kube=$(realpath -e "$2")
    if [ "${SERVERS:-}" ]; then SERVERS=$(realpath -e "$SERVERS"); fi
    enter "$3"
    start "$kube"
    ;;
  stop:2)
    if [ -d "$2" ]; then enter "$2" && stop; fi
    ;;
  *)
    awk 'NR > 1 && !/^#/ { exit } NR > 1 && !/shellcheck/ { sub(/^# ?/, ""); print }' "$0" >&2
    exit 2
    ;;
esac
