import { assignments, bare } from "./shell.ts";

/** Where a host keeps the service, and who may change it. */
export interface HostPlace {
  readonly root: string;
}

/** Whose right a script acts under; see the fencing part of `docs/reference/hosts.md`. */
export interface ScriptFence {
  readonly authority: string;
  readonly token: number;
  /** Short name of the step: attempts are only compared within one. */
  readonly key: string;
  readonly attempt: number;
}

/** How long a script waits for the host's lock, seconds. */
export const LOCK_WAIT_S = 20;

/** Functions that every script has: how it fails, how it knows processes and time, atomic files. POSIX sh only. */
export const COMMON = bare(String.raw`set -u
umask 022
LC_ALL=C
export LC_ALL
S=$root/.sunny
HELD= WALL= N_BOOT=-
fail() {
  unlock
  printf '!%s %s\n' "$1" "$2"
  exit 1
}
nap() { sleep "$1" 2>/dev/null || sleep 1; }
# What is known again later gives way to what has to be written now: a release without its record is read as a whole.
make_room() { rm -f "$S/verified"/* 2>/dev/null; }
# Fails since $1 cannot be written. Whether there is no room is what a program says: a shell's own words do not tell.
unwritable() {
  w_why=$({ printf '%s\n' "$S" | dd of="$S/room" bs=512; } 2>&1)
  rm -f "$S/room" 2>/dev/null
  case $w_why in *"No space left"* | *"uota exceeded"*) fail HOST_DISK_FULL "no room to write $1" ;; esac
  fail HOST_NOT_WRITABLE "cannot write $1"
}
# Identity of a running process: a pid is given again, pid and start time are not. Zombies do not run.
proc() {
  P_BORN= P_GROUP=
  if [ -r /proc/self/stat ]; then
    stat=
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    stat=${"$"}{stat##*) }
    set -- $stat
    case $1 in Z | X) return 1 ;; esac
    P_GROUP=$3 P_BORN=${"$"}{20}
  else
    set -- $(ps -o pgid= -o stat= -o lstart= -p "$1" 2>/dev/null | tr : .)
    [ $# -gt 2 ] || return 1
    case $2 in Z*) return 1 ;; esac
    P_GROUP=$1
    shift 2
    P_BORN=$(printf '%s_' "$@")
  fi
}
if [ -r /proc/sys/kernel/random/boot_id ]; then
  IFS= read -r B </proc/sys/kernel/random/boot_id
else
  B=$(sysctl -n kern.boottime | tr -dc 0-9)
fi
# Seconds on a clock that nobody sets, where there is one.
uptime() {
  if [ -r /proc/uptime ]; then
    read -r U rest </proc/uptime
    U=${"$"}{U%.*}
  else
    U=$(date +%s)
  fi
}
# Brings files to the disk, and the fence with them.
flush() { sync "$S/fence" "$@" 2>/dev/null || :; }
# Replaces a file by a line, so that a reader sees the old or the new one.
put() {
  { printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } 2>/dev/null ||
    { make_room && printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } || unwritable "$1"
  flush "$1"
}
# A process of its own session (or group), which outlives this script and its connection.
detach() {
  if command -v setsid >/dev/null 2>&1; then
    setsid "$@" &
  else
    set -m 2>/dev/null
    nohup "$@" &
    set +m 2>/dev/null
  fi
}
# The id that current points to, "-" for none.
active() {
  ACTIVE=-
  if [ -L "$root/current" ]; then
    # Going there tells without a process of its own, where the link leads to a release that is there.
    if cd -P "$root/current" 2>/dev/null; then
      ACTIVE=$PWD
      cd "$OLDPWD" 2>/dev/null || cd /
    fi
    case $ACTIVE in
      */releases/*) [ -d "$root/releases/${"$"}{ACTIVE##*/}" ] && [ ! -L "$root/releases/${"$"}{ACTIVE##*/}" ] ;;
      *) false ;;
    esac || ACTIVE=$(readlink "$root/current")
    ACTIVE=${"$"}{ACTIVE##*/}
  elif [ -e "$root/current" ]; then
    fail CURRENT_NOT_A_LINK "$root/current is not a link"
  fi
}
# The activation that waits for its confirmation.
pending() {
  N_TURN=- N_ID=- N_PREV=- N_EXPOSED=0 N_UNTIL=0 N_BOOT=- N_WALL=
  [ -r "$S/pending" ] || return 1
  read -r N_TURN N_ID N_PREV N_EXPOSED N_UNTIL N_BOOT N_WALL <"$S/pending" || return 1
}
# The wall clock; asked once in an activation, since what passes can be counted: WALL is what it is ahead of U.
now() {
  uptime
  if [ -z "$WALL" ] && [ "$N_BOOT" = "$B" ]; then WALL=$N_WALL; fi
  [ -n "$WALL" ] || WALL=$(($(date +%s) - U))
  NOW=$((U + WALL))
}
# The newest whole line of the fence: what it says, and how many lines there are; fails without any.
fenced() {
  F_TOKEN= F_AUTHORITY= F_END= F_LINES=0
  [ -r "$S/fence" ] || return 1
  while read -r f_token f_authority f_end; do
    F_LINES=$((F_LINES + 1))
    # The first line was put there whole, before there were ends as well.
    case $f_end$F_LINES in 1 | .[1-9]*) F_TOKEN=$f_token F_AUTHORITY=$f_authority F_END=$f_end ;; esac
  done <"$S/fence"
}
noted() {
  now
  printf '%s %s %s %s %s %s\n' "$NOW" "$1" "$2" "$3" "$4" "$5" >>"$S/activations"
}
note() { noted "$@" || unwritable "$S/activations"; }
# Lets the lock go, after what else is to be removed. Only who is dead, or was ended, loses it otherwise.
unlock() {
  [ $# -eq 0 ] || rm -rf "$@"
  [ -z "$HELD" ] || give_back
  HELD=
}`);

/** Lines from which on the queue is emptied by who gives the lock back: so many are less than a block of a file system. */
const LONG_QUEUE = 30;
/** Lines from which on the fence is written anew: a shell reads it byte by byte. */
const LONG_FENCE = 16;

/**
 * The host's lock and its fence. The lock is a queue of tickets, which name a process and its step: who wants it appends
 * one (`+ TICKET .`), and has it once nobody who is alive stands before it; who gives it back appends that
 * (`- TICKET .`), or empties the queue where it is long. A ticket is there whole or not at
 * all, so a script that ends at any moment leaves nothing to be broken: the dead are passed over. Who passed over
 * somebody looks once more for its own ticket, since that one may have emptied the queue before it died; who finds that
 * its ticket is gone appends it again. A holder with an older token, or an earlier attempt at the same step, is ended.
 */
export const LOCKING = bare(String.raw`holder() {
  saved=$IFS
  IFS=:
  set -- $1
  IFS=$saved
  [ $# -eq 7 ] || return 1
  H_PID=$1 H_BORN=$2 H_BOOT=$3 H_GROUP=$4 H_TOKEN=$5 H_KEY=$6 H_ATTEMPT=$7
  [ "$H_BOOT" = "$B" ] && proc "$H_PID" && [ "$P_BORN" = "$H_BORN" ]
}
outranks() {
  [ "$H_TOKEN" != host ] && [ "$token" != host ] || return 1
  [ "$H_TOKEN" -lt "$token" ] || { [ "$H_KEY" = "$key" ] && [ "$H_ATTEMPT" -lt "$attempt" ]; }
}
end_holder() {
  if [ "$H_GROUP" != "$MY_GROUP" ]; then kill -KILL "-$H_GROUP" 2>/dev/null; else kill -KILL "$H_PID" 2>/dev/null; fi
  while proc "$H_PID" && [ "$P_BORN" = "$H_BORN" ]; do nap 0.02; done
}
# Who this is: in a subshell, $$ is somebody else.
myself() {
  if [ -r /proc/self/stat ]; then read -r MY_PID rest </proc/self/stat; else MY_PID=$(exec sh -c 'echo "$PPID"'); fi
  proc "$MY_PID"
  MY_GROUP=$P_GROUP
  ME=$MY_PID:$P_BORN:$B:$P_GROUP:$token:$key:$attempt
}
# The tickets before this script's own that were not given back. Fails when its own is not there.
queue() {
  AHEAD=' ' QUEUED=0 q_mine=
  while read -r q_sign q_ticket q_end; do
    QUEUED=$((QUEUED + 1))
    [ "$q_end" = . ] || continue
    case $q_sign$q_ticket in
      "+$ME") q_mine=yes ;;
      +*) [ -n "$q_mine" ] || AHEAD="$AHEAD$q_ticket " ;;
      -*) case $AHEAD in *" $q_ticket "*) AHEAD="${"$"}{AHEAD%%" $q_ticket "*} ${"$"}{AHEAD#*" $q_ticket "}" ;; esac ;;
    esac
  done 2>/dev/null <"$S/queue"
  [ -n "$q_mine" ]
}
write_queue() {
  { printf '%s %s .\n' "$1" "$ME" >>"$S/queue"; } 2>/dev/null
}
# Whether the lock is this script's now; who else has it is left in H_*, as far as that is known.
first() {
  H_PID=- H_TOKEN=-
  until [ -e "$S/queue" ] && queue; do
    write_queue + || { make_room && write_queue +; } || unwritable "$S/queue"
  done
  for ticket in $AHEAD; do
    if holder "$ticket"; then return 1; fi
  done
  H_PID=- H_TOKEN=-
  [ "$AHEAD" = ' ' ] || queue || return 1
  older
}
# Before the queue the lock was a link, which named its holder as a ticket does; a watchdog of that time knows only that.
older() {
  if [ -L "$S/lock" ]; then
    o_link=$(readlink "$S/lock") || return 1
    if holder "$o_link"; then return 1; fi
    rm -f "$S/lock" "$S"/break.*
  fi
  [ -s "$S/deadman.pid" ] || return 0
  read -r o_pid o_born o_queue <"$S/deadman.pid"
  [ -z "$o_queue" ] && [ "$o_pid" != - ] && proc "$o_pid" && [ "$P_BORN" = "$o_born" ] || return 0
  H_PID=- H_TOKEN=-
  ln -s "$ME" "$S/lock" 2>/dev/null
}
lock() {
  if [ ! -d "$S" ] || [ ! -d "$root/releases" ] || [ ! -d "$root/shared" ]; then
    mkdir -p "$S" "$root/releases" "$root/shared" 2>/dev/null && chmod 700 "$S"
  fi
  [ -d "$root/shared" ] && [ -d "$S" ] && [ -w "$S" ] || fail HOST_NOT_WRITABLE "$root cannot be written by $(id -un)"
  myself
  tries=0
  until first; do
    tries=$((tries + 1))
    [ "$tries" -le $((lock_wait * 20)) ] || fail HOST_BUSY "the lock is held by process $H_PID under token $H_TOKEN"
    if [ "$H_PID" != - ] && outranks; then end_holder; else nap 0.05; fi
  done
  HELD=$ME
}
give_back() {
  [ ! -L "$S/lock" ] || rm -f "$S/lock"
  [ "$QUEUED" -lt ${String(LONG_QUEUE)} ] && write_queue - && return
  # With one line at once, so that nobody needs room on a full disk who takes the lock.
  { true >"$S/queue" && echo >>"$S/queue"; } 2>/dev/null || :
}
check_fence() {
  fenced || return 0
  [ "$F_AUTHORITY" = "$authority" ] || fail HOST_FENCED "the host belongs to authority $F_AUTHORITY, not to $authority"
  [ "$F_TOKEN" -le "$token" ] || fail HOST_FENCED "the host has seen token $F_TOKEN, this one is $token"
  [ "$F_TOKEN" -eq "$token" ] && [ -r "$S/attempts" ] || return 0
  while read -r f_key f_attempt; do
    if [ "$f_key" = "$key" ] && [ "$f_attempt" -gt "$attempt" ]; then
      fail HOST_FENCED "the host has seen attempt $f_attempt of this step, this one is $attempt"
    fi
  done <"$S/attempts"
}
# A line more, since a file is only replaced by a program. It begins on a line of its own, whatever was cut off before.
raise_fence() {
  if [ "$F_END" != . ] || [ "$F_LINES" -ge ${String(LONG_FENCE)} ]; then
    put "$S/fence" "$token $authority ."
    return
  fi
  write_fence || { make_room && write_fence; } || unwritable "$S/fence"
  [ $# -gt 0 ] || flush
}
write_fence() {
  { printf '\n%s %s .\n' "$token" "$authority" >>"$S/fence"; } 2>/dev/null
}
# Takes the lock under the fence: older scripts are ended, and refused from now on. "later" leaves it to who comes after
# to bring the fence to the disk: what a host forgets with it, it has not done.
enter() {
  check_fence
  lock
  check_fence
  if [ "$F_TOKEN" != "$token" ]; then
    raise_fence "$@"
    true >"$S/attempts"
    QUEUED=${String(LONG_QUEUE)}
  fi
  printf '%s %s\n' "$key" "$attempt" >>"$S/attempts" || unwritable "$S/attempts"
}`);

/** The beginning of a script that only reads. */
export function readingPrelude(place: HostPlace): string {
  return `${assignments({ root: place.root })}\n${COMMON}`;
}

/** The beginning of a script that changes something: after it the script holds the lock, and its fence is the newest. */
export function changingPrelude(place: HostPlace, fence: ScriptFence): string {
  const values = assignments({
    root: place.root,
    authority: fence.authority,
    token: fence.token,
    key: fence.key,
    attempt: fence.attempt,
    lock_wait: LOCK_WAIT_S,
  });
  return `${values}\n${COMMON}\n${LOCKING}`;
}
