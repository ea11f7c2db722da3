#!/usr/bin/env bash
# Prints the path of a program that tests use, built from its pinned module in go/ where it is missing.
# usage: program.sh kubernetes MINOR    kube-apiserver and kube-controller-manager of that Kubernetes, such as 1.30, in one
#                                       program (about five minutes on two idle cores, once); see control-plane.sh SERVERS
#        program.sh kubernetes          print the minors that there are, a line each
#        program.sh kstatus             tells how Flux, Helm 4 and kpt see the objects of a JSON array (half a minute, once)
source "$(dirname "$0")/lib.sh"
source "$infra/go.sh"

# stamp MODULE: what the servers tell as their version
stamp() {
  local v base=k8s.io/component-base/version
  v=$(version_of "$1" k8s.io/kubernetes)
  echo "-X $base.gitVersion=$v -X $base.gitMajor=1 -X $base.gitMinor=$(cut -d. -f2 <<<"$v") -X $base.gitTreeState=clean -X $base.gitCommit=source"
}

# minors: "MINOR MODULE", the oldest first; the module `kubernetes` is that of the kind cluster
minors() {
  local module v
  for module in "$infra"/go/kubernetes*; do
    module=${module##*/} v=$(version_of "${module##*/}" k8s.io/kubernetes)
    echo "$(cut -d. -f1-2 <<<"${v#v}") $module"
  done | sort -V
}

build() { # build MODULE NAME PACKAGE [LDFLAGS]
  locked "program-$1"
  go_build "$@" && echo "$(module_folder "$1")/$2"
}

case "${1:-}:$#" in
  kubernetes:1) minors | cut -d' ' -f1 ;;
  kubernetes:2)
    module=$(minors | awk -v minor="$2" '$1 == minor { print $2 }')
    case "$module" in
      '') fail "there is no Kubernetes $2 here; there are $(minors | cut -d' ' -f1 | paste -sd' ')" 2 ;;
      kubernetes) "$infra/tools.sh" kube && echo "$("$infra/tools.sh" --bin)/kube" ;;
      *) build "$module" kube ./kube "$(stamp "$module")" ;;
    esac
    ;;
  kstatus:1) build kstatus kstatus . ;;
  -h:1 | --help:1) usage 0 ;;
  *) usage 2 ;;
esac
