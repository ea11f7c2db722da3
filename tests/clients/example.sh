#!/usr/bin/env bash
# Runs one program of examples/clients against a server, and installs or builds first what it needs.
# usage: example.sh javascript|go|java URL
# shellcheck source=tests/cluster/infra/lib.sh
source "$(dirname "$0")/../cluster/infra/lib.sh"
# shellcheck source=tests/cluster/infra/go.sh
source "$infra/go.sh"
clients=$repository/examples/clients

# go_program NAME: builds examples/clients/go/NAME once for each content of the module
go_program() {
  local home
  home=$cache/clients/go-$(cd "$clients" && hash_of go)
  if [ ! -x "$home/$1" ]; then
    find_go ../../../../examples/clients/go
    mkdir -p "$home"
    timed "build the Go client $1" "$go" -C "$clients/go" build -trimpath -buildvcs=false -o "$home/$1.$$" "./$1"
    mv -T "$home/$1.$$" "$home/$1"
  fi
  echo "$home/$1"
}

[ $# = 2 ] || usage 2
case "$1" in
  javascript)
    need_packages node:nodejs
    exec node "$clients/javascript/predict.mjs" "$2"
    ;;
  go)
    program=$(go_program rest)
    exec "$program" "$2"
    ;;
  java)
    need_packages javac:default-jdk-headless
    [ -e /usr/share/java/jackson-databind.jar ] || need_packages jackson-databind.jar:libjackson2-databind-java
    jackson=$(printf ':/usr/share/java/jackson-%s.jar' core annotations databind)
    exec java -cp "${jackson#:}" "$clients/java/Predict.java" "$2"
    ;;
  *) usage 2 ;;
esac
