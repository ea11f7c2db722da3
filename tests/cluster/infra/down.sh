#!/usr/bin/env bash
# Deletes exactly one kind cluster and its kubeconfig; the engine, the images and the cache stay.
# usage: down.sh [NAME]     NAME is modelmoor unless given
source "$(dirname "$0")/lib.sh"
case "${1:-}" in -*) usage 2 ;; esac
name=${1:-modelmoor}

locked "cluster-$name"
docker info >/dev/null 2>&1 || { say "cluster $name: no Docker engine answers, so nothing runs"; exit; }
if [ -z "$(docker ps -aq --filter "label=io.x-k8s.kind.cluster=$name")" ]; then say "cluster $name: there is none"; exit; fi
"$infra/tools.sh" kind
"$("$infra/tools.sh" --bin)/kind" delete cluster -q --name "$name" --kubeconfig "$cache/clusters/$name"
rm -f "$cache/clusters/$name"
say "cluster $name: deleted"
