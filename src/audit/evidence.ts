import { existsSync } from "node:fs";
import path from "node:path";
import { makeDirectory } from "../directory.ts";
import { SunnyError, messageOf } from "../errors.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { directoryFiles } from "./files.ts";
import type { AuditFiles } from "./files.ts";
import { Findings } from "./findings.ts";
import type { Problem } from "./findings.ts";
import type { HashList } from "./hash-list.ts";
import { parseLeaf } from "./leaf.ts";
import type { AuditLeaf } from "./leaf.ts";
import { parseVerifier } from "./note.ts";
import { makeProof, verifyProof } from "./proof.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { Snapshot } from "./snapshot.ts";
import { CHECKPOINT } from "./standing.ts";
import { decodeEntries, tilePath, tilesBetween } from "./tiles.ts";
import { verifyTiles } from "./verify-tiles.ts";

export interface EvidenceOptions {
  /** Directory of the published log; publish before. */
  readonly dir: string | AuditFiles;
  /** Id of the deployment. */
  readonly deployment: string;
  /** Digest of its plan: attestations and approvals of that plan belong to the evidence as well. */
  readonly plan?: string;
  /** Directory for the evidence; must not exist yet. */
  readonly out: string;
  /** The log's key as text, as `AuditLog.verifier` gives it. */
  readonly verifier: string;
}

export interface Evidence {
  /** Indexes of the leaves of the deployment. */
  readonly leaves: readonly number[];
  readonly checkpoint: string;
}

const KEY_FILE = "verifier.key";

/**
 * Writes the evidence of one deployment: every leaf as it is in the log (`000012.json`), a proof for each
 * (`000012.tlog-proof`, c2sp.org/tlog-proof), the checkpoint, the log's key and how to verify it all. Whoever got the
 * key another way needs nothing of Sunny. The log itself is verified first.
 * @throws AUDIT_CORRUPT when the log does not verify, AUDIT_NOT_FOUND when it has no such deployment,
 *   AUDIT_EVIDENCE_EXISTS, NOTE_KEY_INVALID
 */
export function exportEvidence(options: EvidenceOptions): Evidence {
  const files = typeof options.dir === "string" ? directoryFiles(options.dir) : options.dir;
  const verifiers = [parseVerifier(options.verifier)];
  const findings = new Findings();
  const snapshot = takeSnapshot({ files, copy: undefined, db: undefined, verifiers }, findings);
  const { checkpoint, text } = snapshot;
  const truth = checkpoint === undefined ? undefined : verifyTiles(snapshot, checkpoint, findings);
  if (checkpoint === undefined || text === undefined || truth === undefined || findings.problems.length > 0) {
    throw damaged(findings.problems);
  }
  const leaves = [...leavesOf(snapshot, checkpoint.size, (leaf) => isAbout(leaf, options))];
  const { deployment } = options;
  if (!leaves.some(({ data }) => parseLeaf(data).resource.deployment === deployment)) {
    throw notFound(deployment, checkpoint.size);
  }
  makeOut(options.out);
  const out = directoryFiles(options.out);
  for (const { index, data } of leaves) {
    out.write(`${fileName(index)}.json`, data);
    out.write(`${fileName(index)}.tlog-proof`, Buffer.from(proofOf(index, truth, text)));
  }
  out.write(CHECKPOINT, Buffer.from(text));
  out.write(KEY_FILE, Buffer.from(`${options.verifier}\n`));
  out.write("README.md", Buffer.from(readme(deployment, checkpoint.origin)));
  return { leaves: leaves.map((leaf) => leaf.index), checkpoint: text };
}

function proofOf(index: number, truth: HashList, checkpoint: string): string {
  return makeProof(index, truth.size, checkpoint, truth.node);
}

/** Runs within a deployment are named after it: `d-118/databases`. */
function isAbout({ resource, detail }: AuditLeaf, { deployment, plan }: EvidenceOptions): boolean {
  if (resource.deployment === deployment || resource.deployment?.startsWith(`${deployment}/`) === true) return true;
  const isObject = typeof detail === "object" && detail !== null && !Array.isArray(detail);
  return plan !== undefined && isObject && (detail as { readonly plan?: unknown }).plan === plan;
}

function* leavesOf(
  snapshot: Snapshot,
  size: number,
  isWanted: (leaf: AuditLeaf) => boolean,
): Generator<{ index: number; data: Buffer }> {
  for (const tile of tilesBetween(0, size)) {
    if (tile.level !== "entries") return;
    const { leaves } = decodeEntries(snapshot.read(tilePath(tile)) ?? Buffer.alloc(0));
    for (const [at, data] of leaves.entries()) {
      if (isWanted(parseLeaf(data))) yield { index: tile.index * 256 + at, data };
    }
  }
}

/** What was shown by evidence that holds. */
export interface VerifiedEvidence {
  readonly origin: string;
  /** Size of the tree of the newest checkpoint among the proofs. */
  readonly size: number;
  readonly leaves: readonly { readonly index: number; readonly leaf: AuditLeaf }[];
  /** Between the first and the last leaf, from and to: actions of others, or ones that were left out. */
  readonly gaps: readonly (readonly [from: number, to: number])[];
}

/**
 * Verifies a directory of evidence against a key that was got another way; the key in the directory is not used.
 * A leaf that was left out of it leaves a gap, as an action of another deployment does.
 * @throws AUDIT_PROOF_INVALID, FILE_UNREADABLE, NOTE_KEY_INVALID, NOTE_UNVERIFIED
 */
export function verifyEvidence(directory: string, verifier: string): VerifiedEvidence {
  const files = directoryFiles(directory);
  const verifiers = [parseVerifier(verifier)];
  const read = (file: string): Buffer => {
    const bytes = files.read(file);
    if (bytes !== undefined) return bytes;
    throw new SunnyError("FILE_UNREADABLE", `The evidence in ${directory} lacks ${file}`, {
      place: { file: path.join(directory, file) },
    });
  };
  const { origin, size } = openCheckpoint(read(CHECKPOINT).toString("utf8"), verifiers);
  const names = files.list().filter((file) => file.endsWith(".json"));
  const leaves = names.map((name) => {
    const data = read(name);
    const { index } = verifyProof(read(name.replace(/json$/, "tlog-proof")).toString("utf8"), data, verifiers, origin);
    if (`${fileName(index)}.json` === name) return { index, leaf: parseLeaf(data) };
    throw new SunnyError("AUDIT_PROOF_INVALID", `The proof beside ${name} is that of action ${index}`, {
      hint: "Take leaf, proof and key from the same export, unchanged.",
    });
  });
  return { origin, size, leaves, gaps: gapsOf(leaves.map(({ index }) => index)) };
}

function gapsOf(indices: readonly number[]): [number, number][] {
  const sorted = indices.toSorted((a, b) => a - b);
  return sorted.flatMap((index, at): [number, number][] => {
    const next = sorted[at + 1];
    return next === undefined || next === index + 1 ? [] : [[index + 1, next - 1]];
  });
}

function fileName(index: number): string {
  return String(index).padStart(6, "0");
}

function makeOut(out: string): void {
  try {
    if (existsSync(out)) throw new Error("it exists already");
    makeDirectory(out);
  } catch (error) {
    throw new SunnyError("AUDIT_EVIDENCE_EXISTS", `Cannot write the evidence to ${out}: ${messageOf(error)}`, {
      hint: "Name a directory that does not exist yet: evidence is never mixed with what was there before.",
      cause: error,
    });
  }
}

function damaged(problems: readonly Problem[]): SunnyError {
  const [first] = problems;
  return new SunnyError("AUDIT_CORRUPT", `The log does not verify: ${first?.message ?? "it has no checkpoint"}`, {
    hint: "Run `sunny audit verify`: it names everything that is wrong. Evidence is taken from a whole log only.",
    details: { problems: problems.slice(0, 20) },
  });
}

function notFound(deployment: string, size: number): SunnyError {
  return new SunnyError("AUDIT_NOT_FOUND", `None of the ${size} actions in the log is of deployment ${deployment}`, {
    hint: "`sunny audit list` shows every action with its deployment.",
  });
}

function readme(deployment: string, origin: string): string {
  return `# Evidence of deployment ${deployment}

Each \`NNNNNN.json\` is one recorded action, byte for byte as it is in the log \`${origin}\`; \`NNNNNN.tlog-proof\` beside
it shows that it is there, at index NNNNNN. \`checkpoint\` is the state of the log that was signed.

To verify it, get the log's key from somebody you trust (the one in \`${KEY_FILE}\` only shows which one it should be) and
use any implementation of c2sp.org/tlog-proof:

1. The leaf hash is SHA-256(0x00 || the bytes of the .json file).
2. The hashes in the .tlog-proof lead from it to the root in the checkpoint (RFC 6962, section 2.1.1).
3. The checkpoint below them is a signed note (c2sp.org/signed-note); Ed25519 over its text, with the log's key.

With Go: \`note.Open\` and \`tlog.CheckRecord\` of golang.org/x/mod/sumdb.
`;
}
