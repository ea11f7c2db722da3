#!/usr/bin/env bash
# Prints the name of a node image for kind that the Docker engine holds: kind's own by pull where that works and this
# machine can run it, else one built from source (about 8 minutes the first time, then nothing).
# usage: node-image.sh     (a Docker engine answers: engine.sh)
source "$(dirname "$0")/lib.sh"
source "$infra/go.sh"
source "$infra/node/facts.sh"
[ $# = 0 ] || usage 2

has() { docker image inspect "$1" >/dev/null 2>&1; }

# kind's image has a systemd that wants cgroup v2, and units that want every capability
runs_here() { [ -e /sys/fs/cgroup/cgroup.controllers ] && ! lacks_capabilities self; }

build() {
  local program
  need_packages debootstrap:debootstrap
  [ "$(id -u)" = 0 ] || fail "kind's node image cannot be pulled, and only root can build one (debootstrap). Run this as root, or on a machine that reaches an image registry." 3
  "$infra/tools.sh" kube kubectl
  for program in host-local:ipam/host-local loopback:main/loopback ptp:main/ptp portmap:meta/portmap; do
    go_build kubernetes "${program%%:*}" "github.com/containernetworking/plugins/plugins/${program#*:}"
  done
  go_build kubernetes coredns ./coredns
  go_build kubernetes pause ./pause
  go_build kubernetes local-path-provisioner github.com/rancher/local-path-provisioner
  local containerd=github.com/containerd/containerd/v2
  for program in containerd ctr containerd-shim-runc-v2; do
    go_build containerd "$program" "$containerd/cmd/$program" "-X $containerd/version.Version=$(version_of containerd $containerd)" no_btrfs,no_devmapper,no_zfs
  done
  scratch
  timed "node's root file system" "$infra/node/root.sh" "$temporary"
  timed "images of the control plane" "$infra/node/component-images.sh" "$temporary"
  mapfile -t images <"$temporary/images"
  timed "node image" "$infra/node/assemble.sh" "$temporary" "$1" "${images[@]}"
}

built=modelmoor/kind-node:$(version_of kubernetes k8s.io/kubernetes)-$(cd "$infra" && hash_of go/kubernetes go/containerd node)
if has "$built"; then echo "$built"; exit; fi
if runs_here; then
  own=$(kind_default_image)
  if has "$own" || pull "$own"; then echo "$own"; exit; fi
fi
locked node-image
has "$built" || build "$built"
echo "$built"
