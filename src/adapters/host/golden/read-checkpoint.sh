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
[ ! -r "$S/checkpoint" ] || cat "$S/checkpoint"
