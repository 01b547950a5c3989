root='/srv/payments'
authority='3f0c'
token=7
key='a1b2c3d4e5f60718'
attempt=2
lock_wait=20
set -u
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
make_room() { rm -f "$S/verified"/* 2>/dev/null; }
unwritable() {
w_why=$({ printf '%s\n' "$S" | dd of="$S/room" bs=512; } 2>&1)
rm -f "$S/room" 2>/dev/null
case $w_why in *"No space left"* | *"uota exceeded"*) fail HOST_DISK_FULL "no room to write $1" ;; esac
fail HOST_NOT_WRITABLE "cannot write $1"
}
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
uptime() {
if [ -r /proc/uptime ]; then
read -r U rest </proc/uptime
U=${U%.*}
else
U=$(date +%s)
fi
}
flush() { sync "$S/fence" "$@" 2>/dev/null || :; }
put() {
{ printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } 2>/dev/null ||
{ make_room && printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } || unwritable "$1"
flush "$1"
}
detach() {
if command -v setsid >/dev/null 2>&1; then
setsid "$@" &
else
set -m 2>/dev/null
nohup "$@" &
set +m 2>/dev/null
fi
}
active() {
ACTIVE=-
if [ -L "$root/current" ]; then
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
pending() {
N_TURN=- N_ID=- N_PREV=- N_EXPOSED=0 N_UNTIL=0 N_BOOT=- N_WALL=
[ -r "$S/pending" ] || return 1
read -r N_TURN N_ID N_PREV N_EXPOSED N_UNTIL N_BOOT N_WALL <"$S/pending" || return 1
}
now() {
uptime
if [ -z "$WALL" ] && [ "$N_BOOT" = "$B" ]; then WALL=$N_WALL; fi
[ -n "$WALL" ] || WALL=$(($(date +%s) - U))
NOW=$((U + WALL))
}
fenced() {
F_TOKEN= F_AUTHORITY= F_END= F_LINES=0
[ -r "$S/fence" ] || return 1
while read -r f_token f_authority f_end; do
F_LINES=$((F_LINES + 1))
case $f_end$F_LINES in 1 | .[1-9]*) F_TOKEN=$f_token F_AUTHORITY=$f_authority F_END=$f_end ;; esac
done <"$S/fence"
}
noted() {
now
printf '%s %s %s %s %s %s\n' "$NOW" "$1" "$2" "$3" "$4" "$5" >>"$S/activations"
}
note() { noted "$@" || unwritable "$S/activations"; }
unlock() {
[ $# -eq 0 ] || rm -rf "$@"
[ -z "$HELD" ] || give_back
HELD=
}
holder() {
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
myself() {
if [ -r /proc/self/stat ]; then read -r MY_PID rest </proc/self/stat; else MY_PID=$(exec sh -c 'echo "$PPID"'); fi
proc "$MY_PID"
MY_GROUP=$P_GROUP
ME=$MY_PID:$P_BORN:$B:$P_GROUP:$token:$key:$attempt
}
queue() {
AHEAD=' ' QUEUED=0 q_mine=
while read -r q_sign q_ticket q_end; do
QUEUED=$((QUEUED + 1))
[ "$q_end" = . ] || continue
case $q_sign$q_ticket in
"+$ME") q_mine=yes ;;
+*) [ -n "$q_mine" ] || AHEAD="$AHEAD$q_ticket " ;;
-*) case $AHEAD in *" $q_ticket "*) AHEAD="${AHEAD%%" $q_ticket "*} ${AHEAD#*" $q_ticket "}" ;; esac ;;
esac
done 2>/dev/null <"$S/queue"
[ -n "$q_mine" ]
}
write_queue() {
{ printf '%s %s .\n' "$1" "$ME" >>"$S/queue"; } 2>/dev/null
}
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
[ "$QUEUED" -lt 30 ] && write_queue - && return
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
raise_fence() {
if [ "$F_END" != . ] || [ "$F_LINES" -ge 16 ]; then
put "$S/fence" "$token $authority ."
return
fi
write_fence || { make_room && write_fence; } || unwritable "$S/fence"
[ $# -gt 0 ] || flush
}
write_fence() {
{ printf '\n%s %s .\n' "$token" "$authority" >>"$S/fence"; } 2>/dev/null
}
enter() {
check_fence
lock
check_fence
if [ "$F_TOKEN" != "$token" ]; then
raise_fence "$@"
true >"$S/attempts"
QUEUED=30
fi
printf '%s %s\n' "$key" "$attempt" >>"$S/attempts" || unwritable "$S/attempts"
}
stop_naps=300
service_pid() {
  PID=
  [ -r "$S/service.pid" ] || return 1
  read -r s_pid s_born s_boot <"$S/service.pid" || return 1
  [ "$s_boot" = "$B" ] && proc "$s_pid" && [ "$P_BORN" = "$s_born" ] && PID=$s_pid
}
service_stop() {
  if ! service_pid; then
    [ ! -e "$S/service.pid" ] || rm -f "$S/service.pid"
    return 0
  fi
  s_group=$P_GROUP
  kill -TERM "$PID" 2>/dev/null
  s_left=$stop_naps
  while service_pid; do
    [ "$s_left" -gt 0 ] || kill -KILL "-$s_group" 2>/dev/null
    [ "$s_left" -gt -100 ] || fail SERVICE_STOP_FAILED "process $PID does not end"
    s_left=$((s_left - 1))
    nap 0.05
  done
  # What the service left behind in its group would keep its port.
  kill -KILL "-$s_group" 2>/dev/null
  rm -f "$S/service.pid"
}
service_start() {
  if service_pid; then return 0; fi
  [ ! -e "$S/service.pid" ] || rm -f "$S/service.pid"
  [ -d "$root/shared/log" ] || mkdir -p "$root/shared/log"
  detach '/opt/node' '/opt/sunny/supervisor-main.js' "$root" </dev/null >>"$root/shared/log/service.log" 2>&1 3<&-
  s_starter=$!
  until service_pid; do
    if ! proc "$s_starter"; then
      service_pid || [ ! -r "$S/service.pid" ] || return 0
      fail SERVICE_START_FAILED "the service could not be started"
    fi
    nap 0.02
  done
}
service_log() {
  [ ! -r "$root/shared/log/service.log" ] || tail -n "$1" "$root/shared/log/service.log"
}

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
}

# What the log says last of a turn, and why. "read" asks the system for every byte: what is long is read by a program.
outcome() {
  LAST= WHY= LOGGED=0 o_turn=$1 o_rest=
  [ -r "$S/activations" ] || return 0
  o_line='
'
  {
    while [ "$LOGGED" -lt 100 ] && read -r n_at n_event n_turn n_id n_prev n_why; do
      LOGGED=$((LOGGED + 1))
      if [ "$n_turn" = "$o_turn" ]; then LAST=$n_event WHY=$n_why; fi
    done
    [ "$LOGGED" -lt 100 ] || o_rest=$o_line$(cat && printf .)
  } <"$S/activations"
  # A line without its end is none.
  o_rest=${o_rest%"$o_line"*}
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
}

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
}
turn='d-118/deploy/web-3/turn-1'
id='2.1.0-dddddddddddd'
within=300
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
if [ "$line" != '# eeef1aed70ce889e' ]; then
  cat >"$S/deadman.new" <<'SUNNY_DEADMAN' && mv -f "$S/deadman.new" "$S/deadman" || unwritable "$S/deadman"
#!/bin/sh
# Takes an activation back that nobody confirmed. Written by Sunny; "sh THIS boot" belongs before the service's start.
# eeef1aed70ce889e
root='/srv/payments'
authority='-'
token='host'
key='deadman'
attempt=0
lock_wait=3600
set -u
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
make_room() { rm -f "$S/verified"/* 2>/dev/null; }
unwritable() {
w_why=$({ printf '%s\n' "$S" | dd of="$S/room" bs=512; } 2>&1)
rm -f "$S/room" 2>/dev/null
case $w_why in *"No space left"* | *"uota exceeded"*) fail HOST_DISK_FULL "no room to write $1" ;; esac
fail HOST_NOT_WRITABLE "cannot write $1"
}
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
uptime() {
if [ -r /proc/uptime ]; then
read -r U rest </proc/uptime
U=${U%.*}
else
U=$(date +%s)
fi
}
flush() { sync "$S/fence" "$@" 2>/dev/null || :; }
put() {
{ printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } 2>/dev/null ||
{ make_room && printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } || unwritable "$1"
flush "$1"
}
detach() {
if command -v setsid >/dev/null 2>&1; then
setsid "$@" &
else
set -m 2>/dev/null
nohup "$@" &
set +m 2>/dev/null
fi
}
active() {
ACTIVE=-
if [ -L "$root/current" ]; then
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
pending() {
N_TURN=- N_ID=- N_PREV=- N_EXPOSED=0 N_UNTIL=0 N_BOOT=- N_WALL=
[ -r "$S/pending" ] || return 1
read -r N_TURN N_ID N_PREV N_EXPOSED N_UNTIL N_BOOT N_WALL <"$S/pending" || return 1
}
now() {
uptime
if [ -z "$WALL" ] && [ "$N_BOOT" = "$B" ]; then WALL=$N_WALL; fi
[ -n "$WALL" ] || WALL=$(($(date +%s) - U))
NOW=$((U + WALL))
}
fenced() {
F_TOKEN= F_AUTHORITY= F_END= F_LINES=0
[ -r "$S/fence" ] || return 1
while read -r f_token f_authority f_end; do
F_LINES=$((F_LINES + 1))
case $f_end$F_LINES in 1 | .[1-9]*) F_TOKEN=$f_token F_AUTHORITY=$f_authority F_END=$f_end ;; esac
done <"$S/fence"
}
noted() {
now
printf '%s %s %s %s %s %s\n' "$NOW" "$1" "$2" "$3" "$4" "$5" >>"$S/activations"
}
note() { noted "$@" || unwritable "$S/activations"; }
unlock() {
[ $# -eq 0 ] || rm -rf "$@"
[ -z "$HELD" ] || give_back
HELD=
}
holder() {
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
myself() {
if [ -r /proc/self/stat ]; then read -r MY_PID rest </proc/self/stat; else MY_PID=$(exec sh -c 'echo "$PPID"'); fi
proc "$MY_PID"
MY_GROUP=$P_GROUP
ME=$MY_PID:$P_BORN:$B:$P_GROUP:$token:$key:$attempt
}
queue() {
AHEAD=' ' QUEUED=0 q_mine=
while read -r q_sign q_ticket q_end; do
QUEUED=$((QUEUED + 1))
[ "$q_end" = . ] || continue
case $q_sign$q_ticket in
"+$ME") q_mine=yes ;;
+*) [ -n "$q_mine" ] || AHEAD="$AHEAD$q_ticket " ;;
-*) case $AHEAD in *" $q_ticket "*) AHEAD="${AHEAD%%" $q_ticket "*} ${AHEAD#*" $q_ticket "}" ;; esac ;;
esac
done 2>/dev/null <"$S/queue"
[ -n "$q_mine" ]
}
write_queue() {
{ printf '%s %s .\n' "$1" "$ME" >>"$S/queue"; } 2>/dev/null
}
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
[ "$QUEUED" -lt 30 ] && write_queue - && return
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
raise_fence() {
if [ "$F_END" != . ] || [ "$F_LINES" -ge 16 ]; then
put "$S/fence" "$token $authority ."
return
fi
write_fence || { make_room && write_fence; } || unwritable "$S/fence"
[ $# -gt 0 ] || flush
}
write_fence() {
{ printf '\n%s %s .\n' "$token" "$authority" >>"$S/fence"; } 2>/dev/null
}
enter() {
check_fence
lock
check_fence
if [ "$F_TOKEN" != "$token" ]; then
raise_fence "$@"
true >"$S/attempts"
QUEUED=30
fi
printf '%s %s\n' "$key" "$attempt" >>"$S/attempts" || unwritable "$S/attempts"
}
stop_naps=300
service_pid() {
  PID=
  [ -r "$S/service.pid" ] || return 1
  read -r s_pid s_born s_boot <"$S/service.pid" || return 1
  [ "$s_boot" = "$B" ] && proc "$s_pid" && [ "$P_BORN" = "$s_born" ] && PID=$s_pid
}
service_stop() {
  if ! service_pid; then
    [ ! -e "$S/service.pid" ] || rm -f "$S/service.pid"
    return 0
  fi
  s_group=$P_GROUP
  kill -TERM "$PID" 2>/dev/null
  s_left=$stop_naps
  while service_pid; do
    [ "$s_left" -gt 0 ] || kill -KILL "-$s_group" 2>/dev/null
    [ "$s_left" -gt -100 ] || fail SERVICE_STOP_FAILED "process $PID does not end"
    s_left=$((s_left - 1))
    nap 0.05
  done
  # What the service left behind in its group would keep its port.
  kill -KILL "-$s_group" 2>/dev/null
  rm -f "$S/service.pid"
}
service_start() {
  if service_pid; then return 0; fi
  [ ! -e "$S/service.pid" ] || rm -f "$S/service.pid"
  [ -d "$root/shared/log" ] || mkdir -p "$root/shared/log"
  detach '/opt/node' '/opt/sunny/supervisor-main.js' "$root" </dev/null >>"$root/shared/log/service.log" 2>&1 3<&-
  s_starter=$!
  until service_pid; do
    if ! proc "$s_starter"; then
      service_pid || [ ! -r "$S/service.pid" ] || return 0
      fail SERVICE_START_FAILED "the service could not be started"
    fi
    nap 0.02
  done
}
service_log() {
  [ ! -r "$root/shared/log/service.log" ] || tail -n "$1" "$root/shared/log/service.log"
}

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
}
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
unlock
