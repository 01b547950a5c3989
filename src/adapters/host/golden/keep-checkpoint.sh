root='/srv/payments'
authority='3f0c'
token='host'
key='checkpoint'
attempt=0
lock_wait=5
set -u
umask 022
LC_ALL=C
export LC_ALL
S=$root/.sunny
HELD= ASKED=
fail() {
  unlock
  printf '!%s %s\n' "$1" "$2"
  exit 1
}
nap() { sleep "$1" 2>/dev/null || sleep 1; }
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
    stat=${stat##*) }
    set -- $stat
    case $1 in Z | X) return 1 ;; esac
    P_GROUP=$3 P_BORN=${20}
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
    U=${U%.*}
  else
    U=$(date +%s)
  fi
}
# Replaces a file by a line, so that a reader sees the old or the new one.
put() {
  printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1" || unwritable "$1"
  sync "$1" 2>/dev/null || :
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
      */releases/*) [ -d "$root/releases/${ACTIVE##*/}" ] && [ ! -L "$root/releases/${ACTIVE##*/}" ] ;;
      *) false ;;
    esac || ACTIVE=$(readlink "$root/current")
    ACTIVE=${ACTIVE##*/}
  elif [ -e "$root/current" ]; then
    fail CURRENT_NOT_A_LINK "$root/current is not a link"
  fi
}
# The activation that waits for its confirmation.
pending() {
  N_TURN=- N_ID=- N_PREV=- N_EXPOSED=0 N_UNTIL=0 N_BOOT=-
  [ -r "$S/pending" ] || return 1
  read -r N_TURN N_ID N_PREV N_EXPOSED N_UNTIL N_BOOT <"$S/pending" || return 1
}
# The wall clock; asked once, since what passes within a script can be counted.
now() {
  uptime
  [ -n "$ASKED" ] || ASKED=$(date +%s) ASKED_AT=$U
  NOW=$((ASKED + U - ASKED_AT))
}
noted() {
  now
  printf '%s %s %s %s %s %s\n' "$NOW" "$1" "$2" "$3" "$4" "$5" >>"$S/activations"
}
note() { noted "$@" || unwritable "$S/activations"; }
# Lets the lock go, after what else is to be removed. Only who is dead, or was ended, loses it otherwise.
unlock() {
  if [ -n "$HELD" ]; then rm -rf "$@" "$S/lock" "$S"/break.*; elif [ $# -gt 0 ]; then rm -rf "$@"; fi
  HELD=
}
holder() {
  saved=$IFS
  IFS=:
  set -- $1
  IFS=$saved
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
break_lock() {
  dead=$1
  claim=$S/break.$H_PID.$H_BORN.$H_BOOT
  until ln -s "$ME" "$claim" 2>/dev/null; do
    by=$(readlink "$claim") || return 0
    if holder "$by"; then nap 0.05; return 0; fi
    claim=$S/break.$H_PID.$H_BORN.$H_BOOT
  done
  [ "$(readlink "$S/lock" 2>/dev/null)" != "$dead" ] || rm -f "$S/lock"
}
lock() {
  if [ ! -d "$S" ] || [ ! -d "$root/releases" ] || [ ! -d "$root/shared" ]; then
    mkdir -p "$S" "$root/releases" "$root/shared" 2>/dev/null && chmod 700 "$S"
  fi
  [ -d "$root/shared" ] && [ -d "$S" ] && [ -w "$S" ] || fail HOST_NOT_WRITABLE "$root cannot be written by $(id -un)"
  proc $$
  MY_GROUP=$P_GROUP
  ME=$$:$P_BORN:$B:$P_GROUP:$token:$key:$attempt
  tries=0 nobody=0 H_PID=- H_TOKEN=-
  until ln -s "$ME" "$S/lock" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -le $((lock_wait * 20)) ] || fail HOST_BUSY "the lock is held by process $H_PID under token $H_TOKEN"
    # Let go of in between; nobody's again and again is one that cannot be made.
    if ! owner=$(readlink "$S/lock"); then
      nobody=$((nobody + 1))
      [ "$nobody" -lt 20 ] || unwritable "$S/lock"
      nap 0.05
      continue
    fi
    nobody=0
    if holder "$owner"; then
      if outranks; then end_holder; else nap 0.05; fi
    else
      break_lock "$owner"
    fi
  done
  HELD=$ME
}
check_fence() {
  [ -r "$S/fence" ] || return 0
  read -r f_token f_authority <"$S/fence"
  [ "$f_authority" = "$authority" ] || fail HOST_FENCED "the host belongs to authority $f_authority, not to $authority"
  [ "$f_token" -le "$token" ] || fail HOST_FENCED "the host has seen token $f_token, this one is $token"
  [ "$f_token" -eq "$token" ] && [ -r "$S/attempts" ] || return 0
  while read -r f_key f_attempt; do
    if [ "$f_key" = "$key" ] && [ "$f_attempt" -gt "$attempt" ]; then
      fail HOST_FENCED "the host has seen attempt $f_attempt of this step, this one is $attempt"
    fi
  done <"$S/attempts"
}
# Takes the lock under the fence: older scripts are ended, and refused from now on.
enter() {
  f_token=
  check_fence
  lock
  check_fence
  if [ "$f_token" != "$token" ]; then
    put "$S/fence" "$token $authority"
    true >"$S/attempts"
  fi
  printf '%s %s\n' "$key" "$attempt" >>"$S/attempts" || unwritable "$S/attempts"
}

keep_checkpoint() {
  [ -n "$checkpoint" ] || return 0
  k_size=0
  if [ -r "$S/checkpoint" ]; then
    { IFS= read -r k_origin && IFS= read -r k_size; } <"$S/checkpoint" || k_size=0
    case $k_size in '' | *[!0-9]*) k_size=0 ;; esac
  fi
  [ "$covered" -gt "$k_size" ] || return 0
  { printf %s "$checkpoint" >"$S/checkpoint.new" && mv -f "$S/checkpoint.new" "$S/checkpoint"; } 2>/dev/null ||
    echo "the checkpoint of the audit log cannot be kept in $S" >&2
  sync "$S/checkpoint" 2>/dev/null || :
}
checkpoint='sunny/payments/production
118
cm9vdA==

— sunny/payments/production c2ln
'
covered=118
[ -r "$S/fence" ] || return 0
lock
read -r f_token f_authority <"$S/fence"
[ "$f_authority" = "$authority" ] || fail HOST_FENCED "the host belongs to authority $f_authority, not to $authority"
keep_checkpoint
unlock
