#!/usr/bin/env bash
# Prints two lines, BASE_IMAGE=... and BUILDER_IMAGE=...: what the product's Dockerfiles are built on, on this machine.
# The base is python:3.11-slim where it can be pulled, else a Python of Debian's (base/python-root.sh). The builder is
# python:3.11, or its stand-in, with what this machine's pip needs to reach its package index (its certificates and its
# pip configuration); neither ends up in a product image.
# usage: base.sh     (a Docker engine answers: engine.sh)
source "$(dirname "$0")/lib.sh"
[ $# = 0 ] || usage 2

ordinary=python:3.11-slim ordinary_builder=python:3.11
trust=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
has() { docker image inspect "$1" >/dev/null 2>&1; }

# pip_configuration: this machine's, with the certificates where the builder has them and no path of this machine
pip_configuration() {
  echo '[global]'
  { python3 -m pip config list 2>/dev/null || true; } | sed -nE "s/^(global|:env:)\.(index-url|extra-index-url|trusted-host|proxy|find-links)='(https?:.*|[^/']+)'$/\2 = \3/p"
  echo 'cert = /etc/ssl/certs/ca-certificates.crt'
  echo 'disable-pip-version-check = true'
}

# make_base NAME: NAME-pip and, last and so the mark of success, NAME
make_base() {
  need_packages debootstrap:debootstrap
  [ "$(id -u)" = 0 ] || fail "$ordinary cannot be pulled, and only root can make a base image (debootstrap). Run this as root, or on a machine that reaches an image registry." 3
  scratch
  timed "base image" "$infra/base/python-root.sh" "$temporary"
  timed "base image: with pip" docker import "$temporary/builder.tar" "$1-pip"
  timed "base image: without" docker import "$temporary/runtime.tar" "$1"
}

local_base=modelmoor/python:3.11-$(cd "$infra" && hash_of base/python-root.sh)
locked base
base=$ordinary builder=$ordinary_builder
if ! { has "$ordinary" && has "$ordinary_builder"; } && { has "$local_base" || ! pull "$ordinary" || ! pull "$ordinary_builder"; }; then
  has "$local_base" || make_base "$local_base"
  base=$local_base builder=$local_base-pip
fi

context=$cache/tmp/builder.$$
mkdir -p "$context"
trap 'rm -rf "$context" ${temporary:-}' EXIT
cp -L "$trust" "$context/ca-certificates.crt"
pip_configuration >"$context/pip.conf"
name=modelmoor/python-builder:$(cd "$context" && { docker image inspect -f '{{.Id}}' "$builder"; hash_of .; } | sha256sum | cut -c1-12)
if ! has "$name"; then
  printf 'FROM %s\nCOPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt\nCOPY pip.conf /etc/pip.conf\n' "$builder" >"$context/Dockerfile"
  timed "builder image" docker build -q -t "$name" "$context"
fi
echo "BASE_IMAGE=$base"
echo "BUILDER_IMAGE=$name"
