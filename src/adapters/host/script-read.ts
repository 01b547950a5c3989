import { changingPrelude, readingPrelude } from "./script-prelude.ts";
import type { HostPlace, ScriptFence } from "./script-prelude.ts";
import type { ActivationHost } from "./script-activate.ts";
import { assignments, shellQuote } from "./shell.ts";

/** How many of the newest lines of the activation log are read. */
const LOG_LINES = 200;

/**
 * Prints one fact a line, its name first; `parseHostState` reads it. Takes no lock and changes nothing: what belongs
 * together (the link, the activation that waits, the log) is read again when somebody changed it meanwhile.
 */
export function readScript(host: ActivationHost): string {
  return String.raw`${readingPrelude(host)}
${host.service}
# What nobody may look into is not empty: up to what there is, since below a closed directory nothing seems to be.
look() {
  at=$1
  while [ ! -e "$at" ]; do
    up=${"$"}{at%/[!/]*}
    [ -n "$up" ] && [ "$up" != "$at" ] || break
    at=$up
  done
  [ ! -d "$at" ] || { [ -x "$at" ] && { [ "$at" != "$1" ] || [ -r "$at" ]; }; } ||
    fail HOST_NOT_READABLE "$at cannot be read by $(id -un)"
}
look "$root"
look "$S"
look "$root/releases"
activation() {
  LOG= N_LINE=
  [ ! -r "$S/activations" ] || LOG=$(tail -n ${String(LOG_LINES)} "$S/activations")
  pending && N_LINE="$N_TURN $N_ID $N_PREV $N_EXPOSED $N_UNTIL $N_BOOT"
  active
}
# Every change writes to the log, and what waits is there or not: the same before and after is one state of the host.
activation
for round in 1 2 3 4 5 6 7 8 9; do
  was=$ACTIVE:$N_LINE:$LOG
  activation
  [ "$was" != "$ACTIVE:$N_LINE:$LOG" ] || break
  nap 0.02
done
[ "$was" = "$ACTIVE:$N_LINE:$LOG" ] || fail HOST_BUSY "the host changed each time that it was read"
echo "active $ACTIVE"
# Oldest first, by when they were installed.
ls -1Atr "$root/releases" 2>/dev/null | while IFS= read -r name; do
  [ "$name" != .clock ] || continue
  if [ -f "$root/releases/$name/.sunny-release" ]; then echo "release $name"; else echo "incomplete $name"; fi
done
if fenced; then echo "fence $F_TOKEN $F_AUTHORITY"; fi
if service_pid; then echo "service running ${"$"}{PID:-0}"; else echo "service stopped 0"; fi
if [ -n "$N_LINE" ]; then
  uptime
  left=$((N_UNTIL - U))
  if [ "$N_BOOT" != "$B" ] || [ "$left" -lt 0 ]; then left=0; fi
  echo "pending $N_TURN $N_ID $N_PREV $N_EXPOSED $left"
fi
[ -z "$LOG" ] || printf '%s\n' "$LOG" | while IFS= read -r line; do printf 'log %s\n' "$line"; done
set -- $(df -Pk "$root" 2>/dev/null | tail -n 1)
[ $# -lt 4 ] || echo "free $4"
echo "clock $(date +%s)"`;
}

/** Prints the last lines of the service's log. */
export function serviceLogScript(host: ActivationHost, lines: number): string {
  return String.raw`${readingPrelude(host)}
${host.service}
service_log ${String(Math.max(1, Math.floor(lines)))}`;
}

/**
 * Prints the use of the machine by the service. Linux: the control group where the service has its own (a systemd
 * unit), otherwise the main process with the children it has waited for (proc(5)); against the least of what its control
 * groups, its processors and the machine let it have. Files that can be dropped at any time are not counted as used.
 */
export function usageScript(
  host: ActivationHost,
  unit: { readonly name: string; readonly user: boolean } | null,
): string {
  const group =
    unit === null
      ? "CG="
      : `CG=$(systemctl ${unit.user ? "--user " : ""}show --property=ControlGroup --value -- ${shellQuote(unit.name)} 2>/dev/null)`;
  return String.raw`${readingPrelude(host)}
${host.service}
if ! service_pid || [ "${"$"}{PID:-0}" -le 0 ]; then
  echo "stopped"
  return
fi
[ -r "/proc/$PID/stat" ] || fail HOST_USAGE_UNKNOWN "there is no /proc/$PID/stat"
${group}
${LIMITS}
ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)
IFS= read -r stat <"/proc/$PID/stat"
stat=${"$"}{stat##*) }
set -- $stat
cpu=$(((${"$"}{12} + ${"$"}{13} + ${"$"}{14} + ${"$"}{15}) * 1000 / ticks))
rss=$((${"$"}{22} * $(getconf PAGESIZE 2>/dev/null || echo 4096)))
CG=${"$"}{CG:+$cgroups$CG}
if [ -n "$CG" ] && [ -r "$CG/cpu.stat" ] && [ -r "$CG/memory.current" ]; then
  while read -r name value; do [ "$name" != usage_usec ] || cpu=$((value / 1000)); done <"$CG/cpu.stat"
  read -r rss <"$CG/memory.current"
  if [ -r "$CG/memory.stat" ]; then
    while read -r name value; do [ "$name" != inactive_file ] || rss=$((rss - value)); done <"$CG/memory.stat"
  fi
fi
read -r up rest </proc/uptime
echo "usage $PID $cpu $up $cpus $rss $limit"`;
}

/** Sets `limit` (bytes) and `cpus` (hundredths) to the least that holds for $PID: what limits a group limits all below it. */
const LIMITS = String.raw`cgroups=/sys/fs/cgroup
while read -r name value rest; do [ "$name" != MemTotal: ] || limit=$((value * 1024)); done </proc/meminfo
cpus=$(($(getconf _NPROCESSORS_ONLN) * 100))
# "max", "-1" and a number without end are no limit.
at_most_bytes() {
  case $1 in '' | *[!0-9]* | ???????????????????*) return 0 ;; esac
  [ "$1" -ge "$limit" ] || limit=$1
}
at_most_cpus() {
  [ "$1" -ge "$cpus" ] || cpus=$1
}
quota() {
  case $1$2 in *[!0-9]*) return 0 ;; esac
  [ "${"$"}{2:-0}" -eq 0 ] || at_most_cpus $(($1 * 100 / $2))
}
unified_limits() {
  [ ! -r "$1/memory.max" ] || { read -r value <"$1/memory.max" && at_most_bytes "$value"; }
  [ ! -r "$1/cpu.max" ] || { read -r value rest <"$1/cpu.max" && quota "$value" "$rest"; }
}
memory_limits() {
  [ ! -r "$1/memory.limit_in_bytes" ] || { read -r value <"$1/memory.limit_in_bytes" && at_most_bytes "$value"; }
}
cpu_limits() {
  [ -r "$1/cpu.cfs_quota_us" ] && [ -r "$1/cpu.cfs_period_us" ] || return 0
  read -r value <"$1/cpu.cfs_quota_us" && read -r rest <"$1/cpu.cfs_period_us" && quota "$value" "$rest"
}
upwards() {
  dir=$2${"$"}{3%/}
  while :; do
    "$1" "$dir"
    [ "$dir" != "$2" ] || break
    dir=${"$"}{dir%/*}
  done
}
while IFS=: read -r id names path; do
  case $id:,$names, in
  0:*) upwards unified_limits "$cgroups" "$path" ;;
  *,memory,*) upwards memory_limits "$cgroups/memory" "$path" ;;
  *,cpu,*) upwards cpu_limits "$cgroups/cpu" "$path" ;;
  esac
done <"/proc/$PID/cgroup"
while read -r name value rest; do
  [ "$name" = Cpus_allowed_list: ] || continue
  allowed=0
  while [ -n "$value" ]; do
    range=${"$"}{value%%,*}
    allowed=$((allowed + ${"$"}{range#*-} - ${"$"}{range%-*} + 1))
    case $value in *,*) value=${"$"}{value#*,} ;; *) value= ;; esac
  done
  at_most_cpus $((allowed * 100))
done <"/proc/$PID/status"`;

/** Only takes the lock under the fence. */
export function raiseFenceScript(place: HostPlace, fence: ScriptFence): string {
  return `${changingPrelude(place, fence)}\nenter\nunlock`;
}

/** Takes the host over, whoever it belonged to. Prints `from AUTHORITY`, `-` when it belonged to nobody. */
export function adoptScript(place: HostPlace, fence: ScriptFence): string {
  return String.raw`${changingPrelude(place, fence)}
${assignments({ adopter: fence.authority })}
lock
fenced || F_AUTHORITY=-
# The checkpoint is of the log of whoever had the host before: kept, but no measure of the new one's.
[ "$F_AUTHORITY" = "$adopter" ] || [ ! -f "$S/checkpoint" ] || mv -f "$S/checkpoint" "$S/checkpoint.before"
put "$S/fence" "$token $adopter ."
rm -f "$S/attempts"
echo "from $F_AUTHORITY"
unlock`;
}
