service_pid() {
  PID=$(cd "$root" && 'svc' 'pid' 2>/dev/null) || return 1
  PID=${PID%%[!0-9]*}
}
service_stop() {
  s_out=$(cd "$root" && 'svc' 'stop' 2>&1) || fail SERVICE_STOP_FAILED "the stop command failed: $s_out"
}
service_start() {
  [ -d "$root/shared/log" ] || mkdir -p "$root/shared/log"
  (cd "$root" && '/usr/local/bin/svc' 'start' 'it'\''s' </dev/null >>"$root/shared/log/service.log" 2>&1 3<&-) ||
    fail SERVICE_START_FAILED "the start command failed"
}
service_log() {
  [ ! -r "$root/shared/log/service.log" ] || tail -n "$1" "$root/shared/log/service.log"
}
