#!/usr/bin/env bash
# The node image: the root file system with the component images in its containerd and kind's two default manifests.
# usage: assemble.sh FOLDER NAME IMAGE...     (root.sh has filled FOLDER; NAME is the image to make)
source "$(dirname "$0")/../lib.sh"
source "$infra/go.sh"
source "$infra/node/facts.sh"
[ $# -gt 2 ] || usage 2
folder=$1 name=$2
shift 2

mkdir "$folder/node" && mv "$folder/root.tar" "$folder/node/"
printf 'FROM scratch\nADD root.tar /\nENV container=docker\nSTOPSIGNAL SIGRTMIN+3\n' | docker build -q -t modelmoor/node-root:local -f - "$folder/node" >/dev/null
container=$(docker run -d --security-opt seccomp=unconfined --entrypoint sleep modelmoor/node-root:local infinity)
trap 'docker rm -f "$container" >/dev/null' EXIT
inside() { docker exec -i "$container" "$@"; }

docker exec -d "$container" containerd
for _ in {1..60}; do if inside ctr version >/dev/null 2>&1; then break; fi; sleep 0.5; done
docker save "$@" | inside ctr -n k8s.io images import --all-platforms --no-unpack --digests - >/dev/null
inside mkdir -p /kind/manifests
inside tee /kind/manifests/default-cni.yaml <"$infra/node/cni.yaml" >/dev/null
storage_manifest | inside tee /kind/manifests/default-storage.yaml >/dev/null
inside pkill -x containerd && sleep 1
docker commit -c 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]' -c 'CMD []' "$container" "$name" >/dev/null
