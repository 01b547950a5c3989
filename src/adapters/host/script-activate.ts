import { sha256 } from "../../json.ts";
import { assignments, field, shellQuote } from "./shell.ts";
import { checkpointValues, KEEP_CHECKPOINT } from "./checkpoint-copy.ts";
import { changingPrelude, COMMON, LOCKING } from "./script-prelude.ts";
import type { HostPlace, ScriptFence } from "./script-prelude.ts";

/** What activation scripts need to know about a host: where it is, and its service functions. */
export interface ActivationHost extends HostPlace {
  /** From `serviceFunctions`. */
  readonly service: string;
}

/** Lines of the log up to which no program is started to read it: about where that costs the same. */
const READ_LINES = 100;

/** What became of a turn, by the activation log. */
const OUTCOME = String.raw`
# What the log says last of a turn, and why. "read" asks the system for every byte: what is long is read by a program.
outcome() {
  LAST= WHY= LOGGED=0 o_turn=$1 o_rest=
  [ -r "$S/activations" ] || return 0
  o_line='
'
  {
    while [ "$LOGGED" -lt ${String(READ_LINES)} ] && read -r n_at n_event n_turn n_id n_prev n_why; do
      LOGGED=$((LOGGED + 1))
      if [ "$n_turn" = "$o_turn" ]; then LAST=$n_event WHY=$n_why; fi
    done
    [ "$LOGGED" -lt ${String(READ_LINES)} ] || o_rest=$o_line$(cat && printf .)
  } <"$S/activations"
  # A line without its end is none.
  o_rest=${"$"}{o_rest%"$o_line"*}
  saved=$IFS
  IFS=$o_line
  set -f
  for o_line in $o_rest; do
    LOGGED=$((LOGGED + 1))
    case $o_line in *" $o_turn "*) ;; *) continue ;; esac
    IFS=' '
    set -- $o_line
    [ "$3" = "$o_turn" ] || continue
    LAST=$2
    shift 5
    WHY=$*
  done
  set +f
  IFS=$saved
}
# The log keeps its newest lines: it is read by every script. After "outcome", which counts them.
trim_log() {
  [ "$LOGGED" -gt 1000 ] || return 0
  tail -n 500 "$S/activations" >"$S/activations.new" && mv -f "$S/activations.new" "$S/activations"
}`;

/** Switching, and taking back: shared by the scripts and the dead-man. */
const SWITCHING = String.raw`
# Makes the link that current will be, before the service stops: what cannot be written is found while it still runs.
prepare() {
  [ ! -e "$S/current.new" ] && [ ! -L "$S/current.new" ] || rm -f "$S/current.new"
  if [ ! -w "$root" ]; then
    [ "$(readlink "$root/current" 2>/dev/null)" != "releases/$1" ] || return 0
    fail HOST_NOT_WRITABLE "$root cannot be written by $(id -un)"
  fi
  [ "$1" = - ] || ln -s "releases/$1" "$S/current.new" 2>/dev/null ||
    { make_room && ln -s "releases/$1" "$S/current.new" 2>/dev/null; } || unwritable "$S/current.new"
}
# Switches current in one rename. mv -T is GNU and busybox; mv -h is BSD; perl is on macOS, whose mv has neither.
switch() {
  if [ "$1" = - ]; then
    rm -f "$root/current"
    return
  fi
  [ -L "$S/current.new" ] || return 0
  mv -T -f "$S/current.new" "$root/current" 2>/dev/null ||
    mv -h -f "$S/current.new" "$root/current" 2>/dev/null ||
    perl -e 'rename($ARGV[0], $ARGV[1]) or exit 1' "$S/current.new" "$root/current" ||
    fail HOST_NOT_WRITABLE "cannot switch $root/current"
}
# Ends the watchdog that waits for a confirmation.
disarm() {
  [ -s "$S/deadman.pid" ] || return 0
  read -r d_pid d_born d_queue <"$S/deadman.pid"
  if [ "$d_pid" != "$$" ] && proc "$d_pid" && [ "$P_BORN" = "$d_born" ]; then
    if [ "$P_GROUP" = "$d_pid" ]; then kill -KILL "-$d_pid" 2>/dev/null; else kill -KILL "$d_pid" 2>/dev/null; fi
  fi
}
# Nothing waits for its confirmation any more. An empty file says that, since removing it would take a program.
settle() {
  [ ! -s "$S/pending" ] || { true >"$S/pending"; } 2>/dev/null || unwritable "$S/pending"
  [ ! -s "$S/deadman.pid" ] || { echo - >"$S/deadman.pid"; } 2>/dev/null || :
}
# Takes the pending activation back; the second argument says whether the service is restarted. That there is no room to
# note it keeps no service from being started: what is removed may make some.
take_back() {
  prepare "$N_PREV"
  if [ "$2" = restart ]; then service_stop; fi
  switch "$N_PREV"
  noted reverted "$N_TURN" "$N_ID" "$N_PREV" "$1" 2>/dev/null
  t_noted=$?
  rm -f "$S/pending" "$S/deadman.pid"
  [ "$t_noted" = 0 ] || noted reverted "$N_TURN" "$N_ID" "$N_PREV" "$1"
  if [ "$2" = restart ] && [ "$N_PREV" != - ]; then service_start; fi
}`;

/**
 * The dead-man, as it lies on the host: `watch TURN` waits there for the deadline and takes the activation back, `boot`
 * does so before the service starts after a reboot. It needs neither Sunny nor a network.
 */
export function deadmanScript(host: ActivationHost): string {
  const values = assignments({
    root: host.root,
    authority: "-",
    token: "host",
    key: "deadman",
    attempt: 0,
    lock_wait: 3600,
  });
  const body = String.raw`${values}
${COMMON}
${LOCKING}
${host.service}
${SWITCHING}
case $1 in
  boot)
    pending && [ "$N_BOOT" != "$B" ] || exit 0
    lock
    pending && [ "$N_BOOT" != "$B" ] && take_back "rebooted before it was confirmed" link
    unlock
    ;;
  watch)
    while pending && [ "$N_TURN" = "$2" ]; do
      uptime
      left=$((N_UNTIL - U))
      if [ "$left" -gt 0 ]; then
        sleep "$left"
        continue
      fi
      # Apart, since what fails there ends it: as long as the activation is pending, it is tried again.
      (
        lock
        uptime
        if pending && [ "$N_TURN" = "$2" ] && [ "$N_UNTIL" -le "$U" ]; then
          if [ "$N_EXPOSED" = 1 ]; then why="nobody watched it in time"; else why="not confirmed in time"; fi
          take_back "$why" restart
        fi
        unlock
      ) || nap 5
    done
    ;;
esac
`;
  return [
    "#!/bin/sh",
    `# Takes an activation back that nobody confirmed. Written by Sunny; "sh THIS boot" belongs before the service's start.`,
    `# ${sha256(body).slice(0, 16)}`,
    body,
  ].join("\n");
}

/** Arms the dead-man: the pending record is on disk before anything is switched. */
const ARMING = String.raw`
# arm TURN ID PREVIOUS EXPOSED SECONDS
arm() {
  now
  a_line="$1 $2 $3 $4 $((U + $5)) $B $WALL"
  if [ -s "$S/pending" ]; then
    put "$S/pending" "$a_line"
  else
    # Nothing is replaced, and a line without its end is none: no rename is needed.
    { printf '%s\n' "$a_line" >"$S/pending"; } 2>/dev/null || unwritable "$S/pending"
    flush "$S/pending"
  fi
  disarm
  detach sh "$S/deadman" watch "$1" </dev/null >/dev/null 2>&1 3<&-
  proc $! && printf '%s %s queue\n' "$!" "$P_BORN" >"$S/deadman.pid"
}`;

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/** Prints `state pending|confirmed|reverted [reason]`. */
export function activateScript(
  host: ActivationHost,
  fence: ScriptFence,
  order: { readonly turn: string; readonly releaseId: string | null; readonly confirmWithinMs: number | null },
): string {
  const values = assignments({
    turn: field(order.turn),
    id: field(order.releaseId),
    within: order.confirmWithinMs === null ? 0 : seconds(order.confirmWithinMs),
  });
  const watchdog = deadmanScript(host).trimEnd();
  return String.raw`${changingPrelude(host, fence)}
${host.service}
${SWITCHING}
${OUTCOME}
${ARMING}
${values}
enter later
outcome "$turn"
case $LAST in
  activated | exposed) echo "state pending" && unlock && return ;;
  confirmed | reverted) echo "state $LAST $WHY" && unlock && return ;;
esac
active
[ "$id" = - ] || [ -f "$root/releases/$id/.sunny-release" ] ||
  fail HOST_RELEASE_MISSING "release $id is not completely installed in $root/releases"
previous=$ACTIVE
if pending; then
  # What was never confirmed is nothing to go back to.
  previous=$N_PREV
  [ "$N_TURN" = "$turn" ] || note superseded "$N_TURN" "$N_ID" "$N_PREV" "by $turn"
fi
# Its third line tells it from another one.
line=
[ ! -r "$S/deadman" ] || { read -r line && read -r line && read -r line; } <"$S/deadman"
if [ "$line" != ${shellQuote(watchdog.split("\n")[2] ?? "")} ]; then
  cat >"$S/deadman.new" <<'SUNNY_DEADMAN' && mv -f "$S/deadman.new" "$S/deadman" || unwritable "$S/deadman"
${watchdog}
SUNNY_DEADMAN
fi
trim_log
prepare "$id"
note begun "$turn" "$id" "$previous" -
if [ "$within" -gt 0 ]; then
  arm "$turn" "$id" "$previous" 0 "$within"
else
  flush
  disarm
  settle
fi
service_stop
switch "$id"
[ "$id" = - ] || service_start
if [ "$within" -gt 0 ]; then
  note activated "$turn" "$id" "$previous" -
  echo "state pending"
else
  note confirmed "$turn" "$id" "$previous" -
  echo "state confirmed"
fi
unlock`;
}

/**
 * Prints `state confirmed` or `state reverted REASON`. `exposureMs` null makes the activation final; `checkpoint`, the
 * newest of the audit log, is kept on the host. One that `stays` starts nothing: on a host that was rebooted meanwhile
 * it prints `state rebooted` and does nothing more.
 */
export function confirmScript(
  host: ActivationHost,
  fence: ScriptFence,
  order: {
    readonly turn: string;
    readonly exposureMs: number | null;
    readonly checkpoint: string | null;
    readonly stays: boolean;
  },
): string {
  const values = assignments({
    turn: field(order.turn),
    exposure: order.exposureMs === null ? 0 : seconds(order.exposureMs),
  });
  return String.raw`${changingPrelude(host, fence)}
${host.service}
${SWITCHING}
${OUTCOME}
${ARMING}
${KEEP_CHECKPOINT}
${values}
${checkpointValues(order.checkpoint)}
enter
keep_checkpoint
if pending && [ "$N_TURN" = "$turn" ]; then
  if [ "$N_BOOT" != "$B" ]; then
    ${order.stays ? "echo 'state rebooted' && unlock && return" : 'take_back "rebooted before it was confirmed" restart'}
  elif [ "$exposure" -gt 0 ]; then
    [ "$N_EXPOSED" = 1 ] || note exposed "$turn" "$N_ID" "$N_PREV" -
    now
    if [ $((U + exposure)) -ge "$N_UNTIL" ] && [ "$N_EXPOSED" = 1 ]; then
      put "$S/pending" "$turn $N_ID $N_PREV 1 $((U + exposure)) $B $WALL"
    else
      arm "$turn" "$N_ID" "$N_PREV" 1 "$exposure"
    fi
    echo "state confirmed"
    unlock
    return
  else
    note confirmed "$turn" "$N_ID" "$N_PREV" -
    disarm
    settle
    unlock
    echo "state confirmed"
    return
  fi
fi
outcome "$turn"
case $LAST in
  confirmed) echo "state confirmed" ;;
  reverted) echo "state reverted $WHY" ;;
  *) echo "state reverted it was superseded or never activated" ;;
esac
unlock`;
}

/** Prints `reverted yes` or `reverted no`. */
export function revertScript(host: ActivationHost, fence: ScriptFence): string {
  return String.raw`${changingPrelude(host, fence)}
${host.service}
${SWITCHING}
enter
if pending; then
  disarm
  take_back "on demand" restart
  echo "reverted yes"
else
  echo "reverted no"
fi
unlock`;
}

/** Restarts, stops or starts the service where it is. */
export function serviceScript(host: ActivationHost, fence: ScriptFence, action: "restart" | "stop" | "start"): string {
  const steps = { restart: "service_stop\nservice_start", stop: "service_stop", start: "service_start" }[action];
  return String.raw`${changingPrelude(host, fence)}
${host.service}
enter
${steps}
unlock`;
}
