#!/usr/bin/env bash
# Makes .venv with both distributions and every tool, at the versions of requirements/dev.txt; a second run costs nothing.
# usage: tools/venv.sh
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

find_python() { # the newest interpreter that both distributions support
  local candidate
  for candidate in python3.13 python3.12 python3.11 python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  say "Python 3.11, 3.12 or 3.13 is needed and none was found; on Debian: apt-get install python3"
  exit 1
}

python=$(find_python)
native=serving-image/modelmoor_server/native # compiled while the server is installed
stamp=.venv/.made-$({ cat requirements/dev.txt pyproject.toml serving-image/pyproject.toml serving-image/hatch_build.py tools/venv.sh "$native"/{*.c,*.h,build.py}; "$python" --version; } | sha256sum | cut -c1-12)
have_kernel() { # pip keeps to itself why there is none; it may have been removed, or a compiler have come since
  local source missing=
  for source in "$native"/_*.c; do
    [ -e "${source%.c}.abi3.so" ] || missing=yes
  done
  [ -z "$missing" ] || .venv/bin/python -m modelmoor_server.native.build >/dev/null ||
    say "venv: without the native modules: the same answers, slower (trees by scikit-learn, gRPC by grpcio)"
}
if [ -e "$stamp" ]; then
  ! command -v cc >/dev/null || have_kernel
  exit 0
fi

say "venv: installing the tools and libraries (about a minute the first time)"
if ! "$python" -m venv --clear .venv >/dev/null 2>&1; then
  # Debian keeps ensurepip in a package of its own
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "venv: installing the Debian package $(basename "$("$python" -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")')")"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "$("$python" -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")')" >/dev/null
    "$python" -m venv --clear .venv
  else
    say "this Python cannot make a virtual environment; on Debian, as root: apt-get install python3-venv"
    exit 1
  fi
fi
.venv/bin/python -m pip install -q --disable-pip-version-check "uv>=0.5,<1"
.venv/bin/uv pip install -q --python .venv/bin/python -r requirements/dev.txt
# tf_keras asks for `tensorflow`, which would be laid beside tensorflow-cpu: without its dependencies it uses the latter
.venv/bin/uv pip install -q --python .venv/bin/python --no-deps -r requirements/no-deps.txt
.venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e . -e ./serving-image
touch "$stamp"
have_kernel
MODELMOOR_COMPILED=Never .venv/bin/python -m modelmoor_server.compiled.build >/dev/null 2>&1 ||
  say "venv: without the modules that mypyc compiles: the same answers, slower (python -m modelmoor_server.compiled.build)"
say "venv: ready"
