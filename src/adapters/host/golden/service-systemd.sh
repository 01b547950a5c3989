unit='payments-api.service'
service_pid() {
  PID=$(systemctl --user show --property=MainPID --value -- "$unit" 2>/dev/null)
  [ "${PID:-0}" -gt 0 ] && proc "$PID"
}
service_stop() {
  s_out=$(systemctl --user stop -- "$unit" 2>&1) || fail SERVICE_STOP_FAILED "systemctl stop $unit: $s_out"
}
service_start() {
  systemctl --user reset-failed -- "$unit" 2>/dev/null
  s_out=$(systemctl --user start -- "$unit" 2>&1) || fail SERVICE_START_FAILED "systemctl start $unit: $s_out"
}
service_log() {
  journalctl --user-unit "$unit" --no-pager -o cat -n "$1" 2>/dev/null
}
