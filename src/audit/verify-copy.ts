import { rfc3339 } from "../clock.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { AuditFiles } from "./files.ts";
import type { Findings } from "./findings.ts";
import type { HashList } from "./hash-list.ts";
import { sameHash } from "./merkle.ts";
import { strictBase64 } from "./note.ts";
import type { NoteVerifier } from "./note.ts";
import { HISTORY } from "./publish.ts";
import { readSigned } from "./snapshot.ts";
import { CHECKPOINT } from "./standing.ts";

/** What a log is compared with. */
export interface Compared {
  readonly checkpoint: Checkpoint;
  readonly truth: HashList | undefined;
}

/**
 * Compares a log with a checkpoint of another time or place: the smaller one must be the beginning of the larger.
 * `name` says where the other one is from.
 */
export function compareCheckpoint(
  log: Compared,
  other: Checkpoint,
  name: string,
  findings: Findings,
  file?: string,
): void {
  const where = file === undefined ? {} : { file };
  const { checkpoint, truth } = log;
  if (other.origin !== checkpoint.origin) {
    return findings.add("FORKED", `${name} is of the log ${other.origin}, not of ${checkpoint.origin}`, where);
  }
  if (other.size > checkpoint.size) {
    const what = `The log holds ${checkpoint.size} actions, ${name} knows of ${other.size}: it was put back to an older state`;
    return findings.add("ROLLED_BACK", what, where);
  }
  const root = other.size === checkpoint.size ? checkpoint.root : truth?.root(other.size);
  if (root === undefined) return findings.note(`${name} could not be compared: the log itself is damaged`);
  if (!sameHash(root, other.root)) {
    findings.add(
      "FORKED",
      `The first ${other.size} actions of the log are not those that ${name} was signed for`,
      where,
    );
  }
}

/** Compares the log with the second copy: its checkpoint, and every line of its history. */
export function verifyCopy(
  log: Compared,
  copy: AuditFiles,
  copyText: string | undefined,
  verifiers: readonly NoteVerifier[],
  findings: Findings,
): void {
  const file = `${copy.name}/${CHECKPOINT}`;
  const other = readSigned(copyText, verifiers, (why) => {
    if (copyText === undefined) findings.add("COPY_MISSING", "The second copy has no checkpoint", { file });
    else findings.add("COPY_INVALID", why, { file });
  });
  if (other !== undefined) compareCheckpoint(log, other, "the second copy", findings, file);
  verifyHistory(log, copy, other, findings);
}

/** Compares the log with the copies that hosts keep. Hosts that keep none prove nothing; when none does, nothing was proved. */
export function verifyHosts(
  log: Compared,
  hosts: ReadonlyMap<string, string>,
  verifiers: readonly NoteVerifier[],
  findings: Findings,
): void {
  if (hosts.size === 0) findings.add("HOST_COPY_MISSING", "No host gave a checkpoint to compare with");
  for (const [host, text] of hosts) {
    const other = readSigned(text, verifiers, (why) =>
      findings.add("HOST_COPY_INVALID", `The checkpoint on ${host} cannot be believed: ${why}`),
    );
    if (other !== undefined) compareCheckpoint(log, other, `the checkpoint on ${host}`, findings);
  }
}

function verifyHistory(log: Compared, copy: AuditFiles, last: Checkpoint | undefined, findings: Findings): void {
  const file = `${copy.name}/${HISTORY}`;
  const text = copy.read(HISTORY)?.toString("utf8");
  if (text === undefined) {
    if (last !== undefined) findings.add("COPY_MISSING", "The second copy has no history", { file });
    return;
  }
  const lines = text.split("\n");
  if (lines.pop() !== "") findings.note(`${file} ends in the middle of a line; the next publication settles it`);
  let before = 0;
  for (const [at, line] of lines.entries()) {
    const entry = parseLine(line);
    if (entry === undefined || entry.size < before) {
      findings.add("COPY_INVALID", `Line ${at + 1} is not what was written: ${line.slice(0, 100)}`, { file });
      continue;
    }
    before = entry.size;
    const other = { origin: log.checkpoint.origin, size: entry.size, root: entry.root };
    compareCheckpoint(log, other, `line ${at + 1} of the second copy's history (${entry.at})`, findings, file);
  }
  // A publication is noted there before its checkpoint is.
  if (last !== undefined && before < last.size) {
    const message = `The history ends at ${before} actions, its checkpoint covers ${last.size}: lines were removed`;
    findings.add("COPY_INVALID", message, { file });
  }
}

function parseLine(line: string): { at: string; size: number; root: Buffer } | undefined {
  const [, at = "", size, encoded = ""] = /^(\S{24}) (0|[1-9]\d{0,15}) (\S{44})$/.exec(line) ?? [];
  const root = strictBase64(encoded);
  const time = Date.parse(at);
  if (root?.length !== 32 || Number.isNaN(time) || rfc3339(time) !== at) return undefined;
  return { at, size: Number(size), root };
}
