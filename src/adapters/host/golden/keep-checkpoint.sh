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
fenced || return 0
lock
fenced
[ "$F_AUTHORITY" = "$authority" ] || fail HOST_FENCED "the host belongs to authority $F_AUTHORITY, not to $authority"
keep_checkpoint
unlock
