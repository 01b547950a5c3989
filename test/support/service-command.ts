/**
 * The service control of hosts without systemd: `serviceControl: { kind: "command" }` with a script of a few lines,
 * which keeps one process by its pid. `docs/reference/ssh.md` shows it.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** POSIX sh; `command` is run in `current` with the variables of `shared/service.env`. */
export function serviceScript(command: string): string {
  return `#!/bin/sh
# service start|stop|status: one process, known by its pid, in a session of its own.
case $0 in */*) cd "\${0%/*}" || exit 1 ;; esac
root=$PWD
pidfile=$root/shared/service.pid
running() {
  [ -r "$pidfile" ] && read -r pid <"$pidfile" && kill -0 "$pid" 2>/dev/null || return 1
  # A process that has ended and that nobody collected yet does not run.
  [ -r "/proc/$pid/stat" ] || return 0
  { IFS= read -r stat <"/proc/$pid/stat"; } 2>/dev/null || return 1
  case $stat in *") Z "*) return 1 ;; esac
}
case $1 in
  status) running && echo "$pid" ;;
  stop)
    running || exit 0
    kill -TERM "$pid"
    left=100
    while running; do
      left=$((left - 1))
      [ "$left" -gt 0 ] || kill -KILL "$pid" 2>/dev/null
      sleep 0.05
    done
    rm -f "$pidfile"
    ;;
  start)
    running && exit 0
    set -a
    [ ! -r "$root/shared/service.env" ] || . "$root/shared/service.env"
    set +a
    cd "$root/current" || exit 1
    setsid ${command} </dev/null >>"$root/shared/log/service.log" 2>&1 &
    echo $! >"$pidfile"
    ;;
esac
`;
}

/** Writes `<root>/service` and its folders; gives back the control for the configuration. */
export function installServiceCommand(root: string, command: string): void {
  mkdirSync(path.join(root, "shared", "log"), { recursive: true });
  writeFileSync(path.join(root, "service"), serviceScript(command), { mode: 0o755 });
}

export const SERVICE_COMMAND = {
  kind: "command" as const,
  start: ["./service", "start"],
  stop: ["./service", "stop"],
  status: ["./service", "status"],
};
