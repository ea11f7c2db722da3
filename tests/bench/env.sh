#!/usr/bin/env bash
# Makes the environment of a peer outside the repository, once for the content of its lock file, and prints its Python.
# usage: env.sh NAME      a name is one of requirements/bench/NAME.txt; a new lock: make lock
#        env.sh --tools   installs the load tools where they are missing
# shellcheck source=tests/cluster/infra/lib.sh
source "$(dirname "$0")/../cluster/infra/lib.sh"
# shellcheck source=tests/cluster/infra/python.sh
source "$infra/python.sh"

[ $# = 1 ] || usage 2
if [ "$1" = --tools ]; then
  need_packages wrk:wrk h2load:nghttp2-client taskset:util-linux
  exit
fi
lock=$repository/requirements/bench/$1.txt
[ -e "$lock" ] || fail "no peer is called $1" 2
python=$repository/.venv/bin/python
# Triton's Python backend is linked to the library of a distribution's own Python, whatever .venv was made with
[ "$1" != triton ] || python=$(command -v /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 | tail -n 1)
[ -x "$python" ] || fail "$1 needs a Python of the distribution, 3.11 to 3.13" 3
python_environment bench "$1" "$python" "$lock"
