#!/usr/bin/env bash
# Runs one program of examples/clients against a server, and installs or builds first what it needs.
# usage: example.sh javascript|go|java URL           over HTTP
#        example.sh javascript|go|java HOST:PORT     over gRPC
# shellcheck source=tests/cluster/infra/lib.sh
source "$(dirname "$0")/../cluster/infra/lib.sh"
# shellcheck source=tests/cluster/infra/go.sh
source "$infra/go.sh"
clients=$repository/examples/clients proto=$repository/serving-image/protos/inference.proto

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

# node_folder: a copy of examples/clients/javascript with its packages, once for each content: the repository gets no node_modules
node_folder() {
  local home new
  home=$cache/clients/javascript-$(cd "$clients" && hash_of javascript/*.*)
  if [ ! -d "$home" ]; then
    new=$cache/tmp/javascript.$$
    mkdir "$new"
    cp "$clients"/javascript/*.* "$new/"
    timed "install the JavaScript client" npm --prefix "$new" ci --ignore-scripts --no-audit --no-fund
    publish "$new" "$home"
  fi
  echo "$home"
}

[ $# = 2 ] || usage 2
case "$1 $2" in
  "javascript http:"*)
    need_packages node:nodejs
    exec node "$clients/javascript/predict.mjs" "$2"
    ;;
  "javascript "*)
    need_packages node:nodejs npm:npm
    folder=$(node_folder)
    exec node "$folder/grpc.mjs" "$2" "$proto"
    ;;
  "go http:"*)
    program=$(go_program rest)
    exec "$program" "$2"
    ;;
  "go "*)
    program=$(go_program grpc)
    exec "$program" "$2" "$proto"
    ;;
  "java http:"*)
    need_packages javac:default-jdk-headless
    [ -e /usr/share/java/jackson-databind.jar ] || need_packages jackson-databind.jar:libjackson2-databind-java
    jackson=$(printf ':/usr/share/java/jackson-%s.jar' core annotations databind)
    exec java -cp "${jackson#:}" "$clients/java/Predict.java" "$2"
    ;;
  "java "*)
    need_packages javac:default-jdk-headless
    jars=(grpc-{api,core,context,netty,protobuf,protobuf-lite,stub} opencensus-api protobuf guava perfmark-api)
    jars+=(netty-{buffer,codec,codec-http,codec-http2,common,handler,resolver,transport,transport-native-unix-common})
    for pair in grpc-netty:libgrpc-java netty-codec-http2:libnetty-java protobuf:libprotobuf-java \
      guava:libguava-java perfmark-api:libperfmark-java; do
      [ -e "/usr/share/java/${pair%%:*}.jar" ] || missing+=("${pair%%:*}.jar:${pair#*:}")
    done
    [ -z "${missing[*]-}" ] || need_packages "${missing[@]}"
    classes=$(printf ':/usr/share/java/%s.jar' "${jars[@]}")
    exec java -cp "${classes#:}" "$clients/java/PredictGrpc.java" "$2" \
      "$repository/serving-image/modelmoor_server/grpc/descriptors.binpb"
    ;;
  *) usage 2 ;;
esac
