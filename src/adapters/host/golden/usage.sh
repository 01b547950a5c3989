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
if ! service_pid || [ "${PID:-0}" -le 0 ]; then
  echo "stopped"
  return
fi
[ -r "/proc/$PID/stat" ] || fail HOST_USAGE_UNKNOWN "there is no /proc/$PID/stat"
CG=$(systemctl show --property=ControlGroup --value -- 'payments-api.service' 2>/dev/null)
cgroups=/sys/fs/cgroup
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
  [ "${2:-0}" -eq 0 ] || at_most_cpus $(($1 * 100 / $2))
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
  dir=$2${3%/}
  while :; do
    "$1" "$dir"
    [ "$dir" != "$2" ] || break
    dir=${dir%/*}
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
    range=${value%%,*}
    allowed=$((allowed + ${range#*-} - ${range%-*} + 1))
    case $value in *,*) value=${value#*,} ;; *) value= ;; esac
  done
  at_most_cpus $((allowed * 100))
done <"/proc/$PID/status"
ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)
IFS= read -r stat <"/proc/$PID/stat"
stat=${stat##*) }
set -- $stat
cpu=$(((${12} + ${13} + ${14} + ${15}) * 1000 / ticks))
rss=$((${22} * $(getconf PAGESIZE 2>/dev/null || echo 4096)))
CG=${CG:+$cgroups$CG}
if [ -n "$CG" ] && [ -r "$CG/cpu.stat" ] && [ -r "$CG/memory.current" ]; then
  while read -r name value; do [ "$name" != usage_usec ] || cpu=$((value / 1000)); done <"$CG/cpu.stat"
  read -r rss <"$CG/memory.current"
  if [ -r "$CG/memory.stat" ]; then
    while read -r name value; do [ "$name" != inactive_file ] || rss=$((rss - value)); done <"$CG/memory.stat"
  fi
fi
read -r up rest </proc/uptime
echo "usage $PID $cpu $up $cpus $rss $limit"
