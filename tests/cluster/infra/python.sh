# shellcheck shell=bash disable=SC2154
# Makes Python environments outside the repository, each once for the content of its lock files. Sourced after lib.sh.

# python_environment KIND NAME PYTHON LOCK...: prints the interpreter of $cache/KIND/NAME-HASH. A lock whose name holds
# `no-deps` is installed without its dependencies: what would bring a second TensorFlow, for example
python_environment() {
  local kind=$1 name=$2 python=$3 uv=$repository/.venv/bin/uv home new lock deps
  shift 3
  home=$cache/$kind/$name-$({ cat "$@" "${BASH_SOURCE[0]}"; "$python" --version; } | sha256sum | cut -c1-12)
  if [ ! -x "$home/bin/python" ]; then
    (
      locked "$kind-$name"
      [ ! -x "$home/bin/python" ] || exit 0
      new=$cache/tmp/$kind-$name.$$
      trap 'rm -rf "$new"' EXIT
      "$uv" venv -q --clear --relocatable --python "$python" "$new"
      for lock in "$@"; do
        deps=(); [[ $lock != *no-deps* ]] || deps=(--no-deps)
        timed "install $name" "$uv" pip install -q --python "$new/bin/python" "${deps[@]}" -r "$lock"
      done
      publish "$new" "$home"
    )
  fi
  echo "$home/bin/python"
}
