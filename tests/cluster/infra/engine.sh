#!/usr/bin/env bash
# Makes a Docker engine answer: the one that runs, else (as root on Debian) one from Debian's packages, started by hand
# where there is no systemd. Works on cgroup v1 and v2, after a reboot, and where the machine lacks capabilities.
# usage: engine.sh     exit code 0: `docker info` answers; 3: it cannot here, and the sentence on stderr says why
source "$(dirname "$0")/lib.sh"
[ $# = 0 ] || usage 2

answers() { timeout 10 docker info >/dev/null 2>&1; }

# An engine that somebody else started may be unable to run a kind node: better said here than by runc, later.
usable() {
  local pid
  pid=$(pgrep -xo dockerd || true)
  if [ -n "$pid" ] && [ -r "/proc/$pid/status" ] && lacks_capabilities "$pid" && [ "$(docker info -f '{{.DefaultRuntime}}')" = runc ]; then
    fail "a Docker engine runs, but this machine withholds capabilities and the engine's runtime is plain runc, which cannot start a kind node then. Stop that engine and run this again as root: it starts one with a fitting runtime." 3
  fi
}

# forget_stale: after a reboot that kept /run, a pid file may name a stranger, and a socket may have nobody behind it;
# dockerd would take both for living
forget_stale() {
  local file pid
  for file in /run/docker.pid /run/docker/containerd/containerd.pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    case "$(cat "/proc/$pid/comm" 2>/dev/null)" in dockerd | containerd) ;; *) rm -f "$file" ;; esac
  done
  if [ -S /run/containerd/containerd.sock ] && ! pgrep -x containerd >/dev/null; then rm -f /run/containerd/containerd.sock; fi
}

start_by_hand() {
  local arguments=() runtime log=$cache/log/dockerd.log
  [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -d /sys/fs/cgroup/memory ] ||
    fail "no control groups are mounted at /sys/fs/cgroup, and Docker needs them. Mount them (Debian: package cgroupfs-mount)." 3
  forget_stale
  if lacks_capabilities self; then
    need_packages jq:jq
    runtime=$cache/engine/$(cd "$infra/engine" && hash_of runc-bounded)/runc-bounded
    mkdir -p "$(dirname "$runtime")"
    install -m 755 "$infra/engine/runc-bounded" "$runtime"
    arguments=(--add-runtime "bounded=$runtime" --default-runtime bounded)
    say "  this machine withholds capabilities: containers run without them"
  fi
  ulimit -n "$(ulimit -Hn)"
  # the daemon outlives this script: with descriptor 9 it would keep the lock for ever
  setsid dockerd "${arguments[@]}" >>"$log" 2>&1 </dev/null 9>&- &
  local pid=$!
  for _ in {1..120}; do
    if answers; then say "Docker engine: started (log: $log)"; return; fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.5
  done
  tail -n 20 "$log" >&2
  fail "dockerd does not answer; its last lines are above, the whole log is $log." 3
}

# kubelet, containerd and every controller in a node watch files: the kernel's default of 128 instances runs out
raise_inotify() {
  local name
  for name in max_user_instances=1024 max_user_watches=524288; do
    if [ "$(</proc/sys/fs/inotify/"${name%=*}")" -lt "${name#*=}" ]; then echo "${name#*=}" >"/proc/sys/fs/inotify/${name%=*}" || true; fi
  done
}

if answers; then usable; exit; fi
locked engine
if answers; then usable; exit; fi
if [ -n "${DOCKER_HOST:-}" ]; then fail "DOCKER_HOST is set, but nothing answers there. Start that engine, or unset the variable." 3; fi
if [ "$(id -u)" != 0 ]; then
  if pgrep -x dockerd >/dev/null; then fail "a Docker engine runs, but this user may not speak to it. Add the user to the group docker and log in again, or run this as root." 3; fi
  fail "no Docker engine answers, and only root can install or start one. Start Docker, or run this as root on Debian." 3
fi
need_packages docker:docker.io dockerd:docker.io iptables:iptables pgrep:procps setsid:util-linux
raise_inotify
if [ -d /run/systemd/system ]; then
  systemctl start docker || fail "systemctl start docker failed: journalctl -u docker says why." 3
  answers || fail "docker.service runs, but docker info does not answer: journalctl -u docker says why." 3
  usable
else
  start_by_hand
fi
