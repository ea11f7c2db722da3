#!/usr/bin/env bash
# Servers that tests and the demo talk to: versitygw, an S3 store, as a program and as a small static image.
# usage: servers.sh                   versitygw into the folder that tools.sh --bin prints
#        servers.sh image             also the image modelmoor/versitygw:dev
#        servers.sh load [CLUSTER]    also into every node of the cluster (modelmoor)
# By hand: ROOT_ACCESS_KEY=k ROOT_SECRET_KEY=s versitygw --port 127.0.0.1:7070 posix --sidecar META DATA (two folders)
source "$(dirname "$0")/lib.sh"
source "$infra/go.sh"
source "$infra/load.sh"

case "${1:-}" in '' | image | load) ;; -h | --help) usage 0 ;; *) usage 2 ;; esac

locked servers
go_build versitygw versitygw github.com/versity/versitygw/cmd/versitygw "-X main.Version=$(version_of versitygw github.com/versity/versitygw)"
program=$(module_folder versitygw)/versitygw
link "$program" "$("$infra/tools.sh" --bin)/versitygw"
[ $# -gt 0 ] || exit 0

"$infra/engine.sh"
tag=modelmoor/versitygw:$(cd "$(module_folder versitygw)" && hash_of versitygw)
if ! docker image inspect "$tag" >/dev/null 2>&1; then
  scratch
  cp "$program" "$temporary/"
  printf 'FROM scratch\nCOPY versitygw /usr/bin/\nUSER 65532:65532\nENTRYPOINT ["/usr/bin/versitygw"]\n' >"$temporary/Dockerfile"
  timed "build image versitygw" docker build -q -t "$tag" "$temporary"
fi
docker tag "$tag" modelmoor/versitygw:dev
if [ "$1" = load ]; then
  load_into_cluster "${2:-modelmoor}" "$tag"
  tag_in_cluster "$tag" modelmoor/versitygw:dev
fi
