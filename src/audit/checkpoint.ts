import { SunnyError } from "../errors.ts";
import type { Hash } from "./merkle.ts";
import { openNote, signNote, strictBase64 } from "./note.ts";
import type { NoteSigner, NoteVerifier } from "./note.ts";

/** What a log says of itself at one moment (c2sp.org/tlog-checkpoint). */
export interface Checkpoint {
  /** Which log, for instance `sunny/production`. */
  readonly origin: string;
  /** Number of leaves. */
  readonly size: number;
  readonly root: Hash;
}

/** The text of a checkpoint: origin, size and base64 root, a line each. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${Buffer.from(checkpoint.root).toString("base64")}\n`;
}

/** @throws AUDIT_CHECKPOINT_INVALID when the text is not exactly a checkpoint without extension lines. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root, end, ...rest] = text.split("\n");
  const hash = root === undefined ? undefined : strictBase64(root);
  if (origin === undefined || origin === "" || end !== "" || rest.length > 0) {
    throw invalid("it does not have the three lines origin, size and root");
  }
  const count = Number(size);
  if (size === undefined || !/^(?:0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(count)) {
    throw invalid("its size is not a decimal number");
  }
  if (hash?.length !== 32) throw invalid("its root is not 32 bytes in base64");
  return { origin, size: count, root: hash };
}

/** The signed note of a checkpoint. */
export function signCheckpoint(checkpoint: Checkpoint, signers: readonly NoteSigner[]): string {
  return signNote(formatCheckpoint(checkpoint), signers);
}

/**
 * Verifies a signed checkpoint and reads it. With `origin` given, a checkpoint of another log is refused.
 * @throws NOTE_MALFORMED, NOTE_UNVERIFIED, AUDIT_CHECKPOINT_INVALID
 */
export function openCheckpoint(note: string, verifiers: readonly NoteVerifier[], origin?: string): Checkpoint {
  const checkpoint = parseCheckpoint(openNote(note, verifiers).text);
  if (origin !== undefined && checkpoint.origin !== origin) {
    throw invalid(`it is of the log ${checkpoint.origin}, not of ${origin}`);
  }
  return checkpoint;
}

function invalid(why: string): SunnyError {
  return new SunnyError("AUDIT_CHECKPOINT_INVALID", `Cannot use the checkpoint: ${why}`, {
    hint: "Give the file `checkpoint` of the audit log's own directory or of its second copy.",
  });
}
