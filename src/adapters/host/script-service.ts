import type { System } from "../../system/schema.ts";
import { assignments, shellQuote, shellWords } from "./shell.ts";

export type ServiceControl = System["serviceControl"];

/** The program that starts supervised services: argv up to the host's root, which is appended. */
export type Starter = readonly string[];

/**
 * Shell functions for a kind of service control: `service_pid` (sets PID, fails when the service does not run),
 * `service_stop`, `service_start`, `service_log LINES`. They call `fail` themselves.
 */
export function serviceFunctions(control: ServiceControl, starter: Starter): string {
  switch (control.kind) {
    case "supervised":
      return supervised(control.stopTimeoutMs, starter);
    case "systemd":
      return systemd(control.unit, control.scope);
    case "command":
      return command(control);
  }
}

function supervised(stopTimeoutMs: number, starter: Starter): string {
  return String.raw`${assignments({ stop_naps: Math.ceil(stopTimeoutMs / 50) })}
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
  detach ${shellWords(starter)} "$root" </dev/null >>"$root/shared/log/service.log" 2>&1 3<&-
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
}`;
}

function systemd(unit: string, scope: "system" | "user"): string {
  const systemctl = scope === "user" ? "systemctl --user" : "systemctl";
  const journal = scope === "user" ? "journalctl --user-unit" : "journalctl -u";
  return String.raw`unit=${shellQuote(unit)}
service_pid() {
  PID=$(${systemctl} show --property=MainPID --value -- "$unit" 2>/dev/null)
  [ "${"$"}{PID:-0}" -gt 0 ] && proc "$PID"
}
service_stop() {
  s_out=$(${systemctl} stop -- "$unit" 2>&1) || fail SERVICE_STOP_FAILED "systemctl stop $unit: $s_out"
}
service_start() {
  ${systemctl} reset-failed -- "$unit" 2>/dev/null
  s_out=$(${systemctl} start -- "$unit" 2>&1) || fail SERVICE_START_FAILED "systemctl start $unit: $s_out"
}
service_log() {
  ${journal} "$unit" --no-pager -o cat -n "$1" 2>/dev/null
}`;
}

function command(control: Extract<ServiceControl, { kind: "command" }>): string {
  return String.raw`service_pid() {
  PID=$(cd "$root" && ${shellWords(control.status)} 2>/dev/null) || return 1
  PID=${"$"}{PID%%[!0-9]*}
}
service_stop() {
  s_out=$(cd "$root" && ${shellWords(control.stop)} 2>&1) || fail SERVICE_STOP_FAILED "the stop command failed: $s_out"
}
service_start() {
  [ -d "$root/shared/log" ] || mkdir -p "$root/shared/log"
  (cd "$root" && ${shellWords(control.start)} </dev/null >>"$root/shared/log/service.log" 2>&1 3<&-) ||
    fail SERVICE_START_FAILED "the start command failed"
}
service_log() {
  [ ! -r "$root/shared/log/service.log" ] || tail -n "$1" "$root/shared/log/service.log"
}`;
}
