import { SunnyError, isSunnyError, messageOf } from "../errors.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { inclusionProof, leafHash, verifyInclusion } from "./merkle.ts";
import type { Hash, NodeReader } from "./merkle.ts";
import { strictBase64 } from "./note.ts";
import type { NoteVerifier } from "./note.ts";

const FIRST_LINE = "c2sp.org/tlog-proof@v1";
/** A tree of 2^53 leaves has no longer path. */
const MAX_HASHES = 64;

/** A proof that one leaf is in a log; everything needed but the leaf and the key (c2sp.org/tlog-proof). */
export interface TlogProof {
  /** Index of the leaf, from 0. */
  readonly index: number;
  /** From the leaf's sibling up to the root's child. */
  readonly hashes: readonly Hash[];
  /** The signed checkpoint. */
  readonly checkpoint: string;
}

/** Makes the text of a proof for leaf `index`, in the tree that the signed checkpoint is of. */
export function makeProof(index: number, size: number, checkpoint: string, read: NodeReader): string {
  const hashes = inclusionProof(index, size, read).map((hash) => `${Buffer.from(hash).toString("base64")}\n`);
  return `${FIRST_LINE}\nindex ${index}\n${hashes.join("")}\n${checkpoint}`;
}

/** Reads the text of a proof; an `extra` line is passed over. @throws AUDIT_PROOF_INVALID */
export function parseProof(text: string): TlogProof {
  const blank = text.indexOf("\n\n");
  const [first, ...rest] = blank === -1 ? [] : text.slice(0, blank).split("\n");
  if (first !== FIRST_LINE) throw invalid(`it does not begin with ${FIRST_LINE}`);
  if (rest[0]?.startsWith("extra ") === true) rest.shift();
  const index = /^index (0|[1-9]\d{0,15})$/.exec(rest.shift() ?? "")?.[1];
  if (index === undefined) throw invalid("it does not say the index of the leaf");
  if (rest.length > MAX_HASHES) throw invalid("it has more hashes than any tree is high");
  const hashes = rest.map((line) => strictBase64(line));
  if (!hashes.every((hash) => hash?.length === 32)) throw invalid("one of its hashes is not 32 bytes in base64");
  return { index: Number(index), hashes: hashes as Buffer[], checkpoint: text.slice(blank + 2) };
}

/**
 * Verifies that the bytes of a leaf are in the log, from the proof and the log's key alone. Returns where.
 * @throws AUDIT_PROOF_INVALID
 */
export function verifyProof(
  text: string,
  leaf: Uint8Array,
  verifiers: readonly NoteVerifier[],
  origin?: string,
): { readonly index: number; readonly checkpoint: Checkpoint } {
  const proof = parseProof(text);
  let checkpoint: Checkpoint;
  try {
    checkpoint = openCheckpoint(proof.checkpoint, verifiers, origin);
  } catch (error) {
    if (!isSunnyError(error)) throw error;
    throw invalid(messageOf(error), error);
  }
  if (!verifyInclusion(proof.index, checkpoint.size, leafHash(leaf), proof.hashes, checkpoint.root)) {
    throw invalid(`it does not lead from this leaf to the root of the ${checkpoint.size} actions`);
  }
  return { index: proof.index, checkpoint };
}

function invalid(why: string, cause?: unknown): SunnyError {
  return new SunnyError("AUDIT_PROOF_INVALID", `The proof does not hold: ${why}`, {
    hint: "Take leaf, proof and key from the same export, unchanged.",
    ...(cause === undefined ? {} : { cause }),
  });
}
