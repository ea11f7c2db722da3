#!/usr/bin/env bash
# Prints the path of a Chromium, for the test of the page at /docs; installs Debian's where there is none and we may.
# usage: tools/chromium.sh
set -euo pipefail

find_one() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if command -v "$name"; then return; fi
  done
  return 1
}

if find_one; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "no Chromium found; on Debian, as root: apt-get install chromium" >&2
  exit 1
fi
exec 9>/tmp/modelmoor-chromium.lock # two test workers may ask at once
flock 9
if find_one; then exit 0; fi
{
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
} >&2
find_one
