# shellcheck shell=bash disable=SC2154
# Brings images of the Docker engine into the nodes of a kind cluster: as `kind load docker-image` does, without the
# layers that a node already has. Sourced after lib.sh and go.sh.

# transfer NODE FOLDER TAG...: only the layers that the node's containerd lacks go in
transfer() {
  inside() { docker exec -i "$1" ctr -n k8s.io "${@:2}"; }
  docker save -o "$2/saved.tar" "${@:3}"
  inside "$1" content ls -q >"$2/held"
  "$delta" "$2/saved.tar" <"$2/held" | inside "$1" images import --snapshotter overlayfs -
}

# load_into NODE TAG...
load_into() {
  local node=$1 held tag missing=()
  held=$(docker exec "$node" ctr -n k8s.io images ls -q 2>/dev/null) || fail "the containerd of node $node does not answer: up.sh mends the cluster"
  for tag in "${@:2}"; do grep -qx "docker.io/$tag" <<<"$held" || missing+=("$tag"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  go_build imagedelta imagedelta .
  delta=$(module_folder imagedelta)/imagedelta
  scratch
  timed "load into $node: ${missing[*]}" transfer "$node" "$temporary" "${missing[@]}"
}

# load_into_cluster CLUSTER TAG...: into every node that lacks one of them; sets `nodes`
load_into_cluster() {
  local cluster=$1 node
  locked "load-$cluster"
  nodes=$(docker ps --filter "label=io.x-k8s.kind.cluster=$cluster" --format '{{.Names}}')
  [ -n "$nodes" ] || fail "no node of a cluster $cluster runs: up.sh $cluster brings it up"
  for node in $nodes; do load_into "$node" "${@:2}"; done
}

# tag_in_cluster TAG ALIAS: in the nodes that load_into_cluster has filled
tag_in_cluster() {
  local node
  for node in $nodes; do docker exec "$node" ctr -n k8s.io images tag --force "docker.io/$1" "docker.io/$2" >/dev/null 2>&1; done
}
