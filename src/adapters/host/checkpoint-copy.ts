import { SunnyError } from "../../errors.ts";
import type { Transport } from "../../operations/rollout/transport.ts";
import { runScript } from "./run-script.ts";
import { COMMON, LOCKING, readingPrelude } from "./script-prelude.ts";
import type { HostPlace } from "./script-prelude.ts";
import { assignments, field } from "./shell.ts";

/** Short, since a run that has ended waits for it, and a host that cannot take a copy now gets the next one. */
const COPY_MS = 10_000;
const LOCK_WAIT_S = 5;

/**
 * Keeps `$checkpoint` beside the activation log. One that covers fewer actions never replaces one that covers more: that
 * an older log was put back is what the copy is there to show. Not being able to keep it is no reason to take a release back.
 */
export const KEEP_CHECKPOINT = String.raw`
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
}`;

/** What `keep_checkpoint` reads: the signed note and the number of actions on its second line; nothing for null. */
export function checkpointValues(note: string | null): string {
  const covered = Number(note?.split("\n")[1] ?? 0);
  if (!Number.isSafeInteger(covered)) throw new TypeError("the checkpoint has no size");
  return assignments({ checkpoint: note ?? "", covered });
}

/** Keeps a checkpoint on a host that belongs to this authority, outside of any step: under the lock, without a fence. */
export function keepCheckpointScript(place: HostPlace, authority: string, note: string): string {
  const values = assignments({
    root: place.root,
    authority: field(authority),
    token: "host",
    key: "checkpoint",
    attempt: 0,
    lock_wait: LOCK_WAIT_S,
  });
  return String.raw`${values}
${COMMON}
${LOCKING}
${KEEP_CHECKPOINT}
${checkpointValues(note)}
fenced || return 0
lock
fenced
[ "$F_AUTHORITY" = "$authority" ] || fail HOST_FENCED "the host belongs to authority $F_AUTHORITY, not to $authority"
keep_checkpoint
unlock`;
}

/** Prints the checkpoint that is kept on a host; nothing when there is none. */
export function readCheckpointScript(place: HostPlace): string {
  return `${readingPrelude(place)}\n[ ! -r "$S/checkpoint" ] || cat "$S/checkpoint"`;
}

/** A host as a place for copies of checkpoints. */
export interface CheckpointHost extends HostPlace {
  readonly name: string;
  readonly transport: Transport;
}

/** @throws as `runScript`, and HOST_SCRIPT_FAILED when the host says that it cannot keep it */
export async function keepCheckpoint(
  host: CheckpointHost,
  authority: string,
  note: string,
  signal: AbortSignal,
): Promise<void> {
  let said = "";
  await runScript(host.transport, host.name, keepCheckpointScript(host, authority, note), {
    deadlineMs: COPY_MS,
    signal,
    log: (text) => (said += text),
  });
  if (said.includes("cannot be kept")) throw new SunnyError("HOST_SCRIPT_FAILED", said.trim());
}

/** The checkpoint that is kept on a host; null when there is none. @throws as `runScript` */
export async function readCheckpoint(host: CheckpointHost): Promise<string | null> {
  const text = await runScript(host.transport, host.name, readCheckpointScript(host), { deadlineMs: COPY_MS });
  return text === "" ? null : text;
}
