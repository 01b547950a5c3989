import type { Activation, HostState, InstalledRelease, PendingActivation } from "../../operations/rollout/ports.ts";
import { fromField } from "./shell.ts";

/** A line of the activation log: what happened to a turn. */
interface LogLine {
  readonly event: string;
  readonly turn: string;
  readonly releaseId: string | null;
  readonly reason: string;
}

/** The release that a directory name of the form `<version>-<12 hex digits>` stands for. */
export function installedRelease(id: string): InstalledRelease {
  const match = /^(.+)-[0-9a-f]{12}$/.exec(id);
  return { id, version: match?.[1] ?? id };
}

/** Reads what `readScript` printed. Lines with unknown names are left out, so that a newer script can say more. */
export function parseHostState(host: string, output: string): HostState {
  const lines = output.split("\n").map((line) => line.split(" "));
  const all = (name: string): string[][] => lines.filter((words) => words[0] === name).map((words) => words.slice(1));
  const one = (name: string): string[] | undefined => all(name)[0];
  const log = all("log").flatMap((words) => parseLogLine(words));
  const activeId = fromField(one("active")?.[0] ?? "-");
  const fence = one("fence");
  const service = one("service") ?? ["stopped", "0"];
  const pid = Number(service[1] ?? 0);
  const pending = parsePending(one("pending"));
  const previousId = previousOf(log, pending === null ? activeId : pending.releaseId, pending);
  return {
    host,
    active: activeId === null ? null : installedRelease(activeId),
    previous: previousId === null ? null : installedRelease(previousId),
    releases: all("release").map((words) => installedRelease(words[0] ?? "")),
    incomplete: all("incomplete").map((words) => words[0] ?? ""),
    fence: fence === undefined ? null : { token: Number(fence[0]), authority: fence[1] ?? "" },
    service: service[0] === "running" ? "running" : "stopped",
    pid: service[0] === "running" && pid > 0 ? pid : null,
    pending,
    last: lastActivation(log, pending),
    freeBytes: Number(one("free")?.[0] ?? 0) * 1024,
    clockMs: Number(one("clock")?.[0] ?? 0) * 1000,
  };
}

function parseLogLine(words: readonly string[]): LogLine[] {
  const [, event, turn, id, , ...why] = words;
  if (event === undefined || turn === undefined || id === undefined) return [];
  return [{ event, turn: fromField(turn) ?? "", releaseId: fromField(id), reason: why.join(" ").replace(/^-$/, "") }];
}

function parsePending(words: readonly string[] | undefined): PendingActivation | null {
  if (words === undefined) return null;
  const [turn, id, previous, exposed, left] = words;
  return {
    turn: fromField(turn ?? "-") ?? "",
    releaseId: fromField(id ?? "-"),
    previousId: fromField(previous ?? "-"),
    exposure: exposed === "1",
    remainingMs: Number(left ?? 0) * 1000,
  };
}

/** What the host would go back to: of a pending activation its own record, otherwise the last other one confirmed. */
function previousOf(log: readonly LogLine[], current: string | null, pending: PendingActivation | null): string | null {
  if (pending !== null) return pending.previousId;
  return log.findLast((line) => line.event === "confirmed" && line.releaseId !== current)?.releaseId ?? null;
}

function lastActivation(log: readonly LogLine[], pending: PendingActivation | null): Activation | null {
  const begun = log.findLast((line) => line.event === "begun");
  if (begun === undefined) return null;
  const newest = log.findLast((line) => line.turn === begun.turn) ?? begun;
  return { turn: begun.turn, releaseId: begun.releaseId, state: stateOf(newest, pending), reason: newest.reason };
}

function stateOf(line: LogLine, pending: PendingActivation | null): Activation["state"] {
  switch (line.event) {
    case "activated":
      return pending?.turn === line.turn ? "pending" : "reverted";
    case "exposed":
    case "confirmed":
      return "confirmed";
    case "begun":
      return "begun";
    default:
      return "reverted";
  }
}
