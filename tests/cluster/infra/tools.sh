#!/usr/bin/env bash
# Makes kubectl, helm, kind and kube (all of Kubernetes in one binary) available in one folder.
# usage: tools.sh [TOOL...]     those named, or all four: from PATH where new enough, else built from source
#        tools.sh --bin         print the folder, whether it is filled or not (servers.sh fills the same)
# The first build of kube takes about six minutes on two idle cores; a second run takes no time.
source "$(dirname "$0")/lib.sh"
source "$infra/go.sh"

bin=$cache/bin-$(cd "$infra" && hash_of go/kubernetes go/versitygw go.sh tools.sh)

case "${1:-}" in
  --bin) echo "$bin"; exit ;;
  -h | --help) usage 0 ;;
esac
[ $# -gt 0 ] || set -- kube kubectl helm kind

# new_enough VERSION LEAST
new_enough() { [ -n "$1" ] && [ "$(printf '%s\n' "${1#v}" "$2" | sort -V | head -n 1)" = "$2" ]; }

# on_path TOOL: prints the path of one that will do
on_path() {
  local found version
  found=$(type -P "$1") || return 1
  case "$1" in
    kubectl) version=$("$found" version --client 2>/dev/null | sed -n 's/^Client Version: //p') && new_enough "$version" 1.36 ;;
    helm) version=$("$found" version --template '{{.Version}}' 2>/dev/null) && new_enough "$version" 3.17 ;;
    # no other kind: each names one node image as its own
    kind) version=$("$found" version 2>/dev/null | cut -d' ' -f2) && [ "$version" = "$(version_of kubernetes sigs.k8s.io/kind)" ] ;;
    *) false ;;
  esac && echo "$found"
}

provide() { # provide TOOL
  local target
  [ -x "$bin/$1" ] && return
  locked tools
  if ! target=$(on_path "$1"); then
    case "$1" in
      kube | kubectl) go_build kubernetes kube ./kube "$(kubernetes_stamp)" && target=$(module_folder kubernetes)/kube ;;
      helm) go_build kubernetes helm helm.sh/helm/v3/cmd/helm "-X helm.sh/helm/v3/internal/version.version=$(version_of kubernetes helm.sh/helm/v3)" && target=$(module_folder kubernetes)/helm ;;
      kind) go_build kubernetes kind sigs.k8s.io/kind && target=$(module_folder kubernetes)/kind ;;
      *) fail "no tool is called $1; there are kubectl, helm, kind and kube" 2 ;;
    esac
  fi
  link "$target" "$bin/$1"
  say "$1: $target"
}

for tool in "$@"; do provide "$tool"; done
