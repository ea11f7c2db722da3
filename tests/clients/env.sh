#!/usr/bin/env bash
# Makes the environments of the Python clients outside the repository, each once for the content of its lock file.
# usage: env.sh NAME...    prints the interpreter of each; a name is a folder beside this script with a requirements.txt
# A new lock: .venv/bin/uv pip compile --python-version 3.11 NAME/requirements.in -o NAME/requirements.txt
# shellcheck source=tests/cluster/infra/lib.sh
source "$(dirname "$0")/../cluster/infra/lib.sh"
# shellcheck source=tests/cluster/infra/python.sh
source "$infra/python.sh"

[ $# -gt 0 ] || usage 2
cd "$(dirname "$0")"
for name in "$@"; do
  [ -e "$name/requirements.txt" ] || fail "no client is called $name" 2
  # what would bring a second TensorFlow comes without its dependencies
  locks=("$name/requirements.txt")
  [ ! -e "$name/requirements-no-deps.txt" ] || locks+=("$name/requirements-no-deps.txt")
  python_environment clients "$name" "$repository/.venv/bin/python" "${locks[@]}"
done
