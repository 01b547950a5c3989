root='/srv/payments'
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
# What nobody may look into is not empty: up to what there is, since below a closed directory nothing seems to be.
look() {
  at=$1
  while [ ! -e "$at" ]; do
    up=${at%/[!/]*}
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
  [ ! -r "$S/activations" ] || LOG=$(tail -n 200 "$S/activations")
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
if service_pid; then echo "service running ${PID:-0}"; else echo "service stopped 0"; fi
if [ -n "$N_LINE" ]; then
  uptime
  left=$((N_UNTIL - U))
  if [ "$N_BOOT" != "$B" ] || [ "$left" -lt 0 ]; then left=0; fi
  echo "pending $N_TURN $N_ID $N_PREV $N_EXPOSED $left"
fi
[ -z "$LOG" ] || printf '%s\n' "$LOG" | while IFS= read -r line; do printf 'log %s\n' "$line"; done
set -- $(df -Pk "$root" 2>/dev/null | tail -n 1)
[ $# -lt 4 ] || echo "free $4"
echo "clock $(date +%s)"
