# shellcheck shell=bash
# What every script here shares: the cache, one lock a step, progress lines, and results that are whole or not there.
# Sourced, never run. Progress goes to stderr: stdout belongs to the answer that a script was asked for.
set -euo pipefail

infra=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # for those who source this
repository=$(cd "$infra/../../.." && pwd)
cache=${MODELMOOR_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/modelmoor}
mkdir -p "$cache"/{locks,log,tmp}
cache=$(cd "$cache" && pwd -P)

say() { printf '%s\n' "$*" >&2; }

# fail SENTENCE [CODE]: 1 for what broke, 2 for a wrong call, 3 for what this machine lacks
fail() { say "$(basename "$0"): $1"; exit "${2:-1}"; }

# usage CODE: prints the comment block at the head of the calling script
usage() {
  awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0" >&2
  exit "$1"
}

# locked STEP: one run at a time for each step of one cache, until this script ends. What outlives the script
# (an engine, a control plane) must be started with `9>&-`, or it would hold the lock for ever.
locked() {
  exec 9>"$cache/locks/$1"
  flock -n 9 || { say "$1: waiting for another run to end"; flock 9; }
}

# timed LABEL COMMAND...: a line every 15 s, one at the end; the output goes to a log, whose end a failure shows
timed() {
  local label=$1 start=$SECONDS shown=$SECONDS rc=0 pid log
  log=$cache/log/$(basename "$0" .sh)-$(printf %s "$label" | tr -cs '[:alnum:].' -).log
  shift
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - shown >= 15)); then shown=$SECONDS; say "  $label: $((SECONDS - start)) s so far"; fi
  done
  wait "$pid" || rc=$?
  trap - INT TERM
  if ((rc)); then
    tail -n 20 "$log" >&2
    fail "$label failed after $((SECONDS - start)) s (exit code $rc); the whole log: $log" "$rc"
  fi
  say "  $label: done in $((SECONDS - start)) s"
}

# hash_of PATH...: twelve hex digits over the names and bytes of files and folders below the current one; a link counts
# as the file that it leads to
hash_of() { find -L "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12; }

# publish TEMPORARY FINAL: a file or folder appears whole, in one step, or not at all
publish() {
  mkdir -p "$(dirname "$2")"
  rm -rf "$2"
  mv -T "$1" "$2"
}

# link TARGET NAME: replaces a link in one step
link() { mkdir -p "$(dirname "$2")" && ln -sfn "$1" "$2.$$" && mv -T "$2.$$" "$2"; }

# scratch: a folder of this run alone, removed when it ends
scratch() {
  temporary=${temporary:-$(mktemp -d "$cache/tmp/XXXXXX")}
  trap 'rm -rf "$temporary"' EXIT
}

# need_packages COMMAND:PACKAGE...: Debian packages for the commands that are missing
need_packages() {
  local pair missing=()
  for pair in "$@"; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}"); done
  [ ${#missing[@]} = 0 ] && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "these Debian packages are missing: ${missing[*]}. Install them, or run this as root on Debian." 3
  fi
  timed "install ${missing[*]}" bash -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"' _ "${missing[@]}"
}

# lacks_capabilities PID: the process's bounding set is smaller than what the kernel knows
lacks_capabilities() {
  local bounding last
  bounding=$((16#$(awk '$1 == "CapBnd:" { print $2 }' "/proc/$1/status"))) last=$(</proc/sys/kernel/cap_last_cap)
  ((bounding != (1 << (last + 1)) - 1))
}

# pull IMAGE: false when it cannot be had; the network gets 20 s for the first sign of life, then 15 minutes
pull() {
  local log=$cache/log/pull.log pid waited=0
  timeout 900 docker pull "$1" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if ((++waited == 100)) && ! grep -q 'Pulling from' "$log"; then kill "$pid" 2>/dev/null || true; fi
    if ((waited % 75 == 0)); then say "  pull $1: $((waited / 5)) s so far"; fi
  done
  if wait "$pid"; then say "  pull $1: done"; else say "  pull $1: cannot be had here"; return 1; fi
}

# bootstrap SUITE FOLDER PACKAGES: a small Debian, from the mirror that this machine installs from
bootstrap() {
  local mirror
  # shellcheck disable=SC2016  # apt's own placeholders
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN)' 'Created-By: Packages' | awk -v suite="$1" '$2 == suite && $3 == "Debian" && !seen++ { print $1 }')
  mkdir -p "$cache/debs"
  # shellcheck disable=SC2086  # without a mirror debootstrap has its own default
  debootstrap --variant=minbase --cache-dir="$cache/debs" --include="$3" "$1" "$2" $mirror
}
