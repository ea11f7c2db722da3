#!/usr/bin/env bash
# Makes the environments of the Python clients outside the repository, each once for the content of its lock file.
# usage: env.sh NAME...    prints the interpreter of each; a name is a folder beside this script with a requirements.txt
# A new lock: .venv/bin/uv pip compile --python-version 3.11 NAME/requirements.in -o NAME/requirements.txt
# shellcheck source=tests/cluster/infra/lib.sh
source "$(dirname "$0")/../cluster/infra/lib.sh"
here=$infra/../../clients
python=$repository/.venv/bin/python uv=$repository/.venv/bin/uv

[ $# -gt 0 ] || usage 2
cd "$here"
for name in "$@"; do
  [ -e "$name/requirements.txt" ] || fail "no client is called $name" 2
  home=$cache/clients/$name-$({ cat "$name"/requirements*.txt env.sh; "$python" --version; } | sha256sum | cut -c1-12)
  if [ ! -x "$home/bin/python" ]; then
    (
      locked "client-$name"
      [ ! -x "$home/bin/python" ] || exit 0
      new=$cache/tmp/client-$name.$$
      trap 'rm -rf "$new"' EXIT
      "$uv" venv -q --clear --python "$python" "$new"
      timed "install the client $name" "$uv" pip install -q --python "$new/bin/python" -r "$name/requirements.txt"
      # what would bring a second TensorFlow comes without its dependencies
      if [ -e "$name/requirements-no-deps.txt" ]; then
        "$uv" pip install -q --python "$new/bin/python" --no-deps -r "$name/requirements-no-deps.txt"
      fi
      publish "$new" "$home"
    )
  fi
  echo "$home/bin/python"
done
