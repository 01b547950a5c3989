import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { SunnyError } from "../errors.ts";

/** A key that signs notes. The private key stays inside a `KeyObject`, which never prints itself. */
export interface NoteSigner {
  readonly name: string;
  /** First four bytes of the key's hash, as 8 lower-case hex digits. */
  readonly keyId: string;
  readonly privateKey: KeyObject;
}

/** A key whose signatures are believed. */
export interface NoteVerifier {
  readonly name: string;
  /** First four bytes of the key's hash, as 8 lower-case hex digits. */
  readonly keyId: string;
  readonly publicKey: KeyObject;
}

/** What `openNote` found. */
export interface OpenedNote {
  /** What was signed, with its last newline. */
  readonly text: string;
  /** Names of the given verifiers whose signature holds; at least one. */
  readonly verified: readonly string[];
  /** Names on signatures of unknown keys; they say nothing. */
  readonly unverified: readonly string[];
}

const ED25519 = 0x01;
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const MAX_NOTE_BYTES = 1_000_000;
const MAX_SIGNATURES = 100;

/**
 * Makes a new Ed25519 key pair. Both are one line of text: `signer` is `PRIVATE+KEY+name+id+base64` (keep it in a file
 * of mode 0600), `verifier` is `name+id+base64`, as golang.org/x/mod/sumdb/note writes them.
 * @throws NOTE_KEY_INVALID when the name is empty or holds a space or a plus sign.
 */
export function generateKey(name: string): { readonly signer: string; readonly verifier: string } {
  requireName(name);
  const pair = generateKeyPairSync("ed25519");
  const seed = pair.privateKey.export({ format: "der", type: "pkcs8" }).subarray(PKCS8_PREFIX.length);
  const signer = `PRIVATE+KEY+${name}+${keyIdOf(name, pair.publicKey)}+${encodeKey(seed)}`;
  return { signer, verifier: verifierKey({ name, publicKey: pair.publicKey }) };
}

/** @throws NOTE_KEY_INVALID when it is not the text of a signer key; the message never repeats it. */
export function parseSigner(text: string): NoteSigner {
  const parts = text.trim().split("+");
  const [word, kind, name, keyId] = parts;
  if (word !== "PRIVATE" || kind !== "KEY" || name === undefined || keyId === undefined || parts.length < 5) {
    throw invalidKey("the signing key does not have the form PRIVATE+KEY+name+id+base64");
  }
  const seed = decodeKey(parts.slice(4).join("+"), "signing key");
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
  requireName(name);
  if (keyIdOf(name, createPublicKey(privateKey)) !== keyId) {
    throw invalidKey(`the id in the signing key of ${name} does not belong to the key: it was altered`);
  }
  return { name, keyId, privateKey };
}

/** @throws NOTE_KEY_INVALID when it is not the text of a verifier key, or its id does not belong to it. */
export function parseVerifier(text: string): NoteVerifier {
  const parts = text.trim().split("+");
  const [name, keyId] = parts;
  if (name === undefined || keyId === undefined || parts.length < 3) {
    throw invalidKey("the verifier key does not have the form name+id+base64");
  }
  requireName(name);
  const raw = decodeKey(parts.slice(2).join("+"), `verifier key of ${name}`);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
  if (keyIdOf(name, publicKey) !== keyId) {
    throw invalidKey(`the id in the verifier key of ${name} does not belong to the key: it was altered`);
  }
  return { name, keyId, publicKey };
}

/** The verifier that belongs to a signer. */
export function verifierOf(signer: NoteSigner): NoteVerifier {
  return { name: signer.name, keyId: signer.keyId, publicKey: createPublicKey(signer.privateKey) };
}

/** The one line of text by which others know the key: `name+id+base64`. */
export function verifierKey(verifier: Pick<NoteVerifier, "name" | "publicKey">): string {
  return `${verifier.name}+${keyIdOf(verifier.name, verifier.publicKey)}+${encodeKey(rawPublic(verifier.publicKey))}`;
}

/**
 * Signs `text`, which must end in a newline, as a C2SP signed note (c2sp.org/signed-note), one signature a signer.
 * @throws NOTE_MALFORMED when the text cannot be the text of a note, or there is no signer.
 */
export function signNote(text: string, signers: readonly NoteSigner[]): string {
  if (!text.endsWith("\n")) throw malformed("its text does not end in a newline");
  if (signers.length === 0) throw malformed("nobody signs it");
  requireNoteCharacters(text);
  const bytes = Buffer.from(text);
  const lines = signers.map((signer) => {
    const signature = sign(null, bytes, signer.privateKey);
    return `— ${signer.name} ${Buffer.concat([Buffer.from(signer.keyId, "hex"), signature]).toString("base64")}\n`;
  });
  return `${text}\n${lines.join("")}`;
}

/**
 * Takes a signed note apart and verifies it. Signatures of unknown keys are passed over; a wrong signature under a
 * known key refuses the note as a whole. `maxBytes` is the largest note that is looked at, default 1,000,000.
 * @throws NOTE_MALFORMED, NOTE_UNVERIFIED
 */
export function openNote(
  note: string,
  verifiers: readonly NoteVerifier[],
  maxBytes: number = MAX_NOTE_BYTES,
): OpenedNote {
  const { text, signatures } = splitNote(note, maxBytes);
  const bytes = Buffer.from(text);
  const verified = new Set<string>();
  const unverified = new Set<string>();
  for (const { name, keyId, signature } of signatures) {
    const verifier = verifiers.find((one) => one.name === name && one.keyId === keyId);
    if (verifier === undefined) {
      unverified.add(name);
    } else if (verify(null, bytes, verifier.publicKey, signature)) {
      verified.add(name);
    } else {
      throw unsigned(`the signature of ${name} does not belong to this text: text or signature was altered`);
    }
  }
  if (verified.size === 0) {
    const known = verifiers.map((one) => `${one.name}+${one.keyId}`).join(", ") || "none";
    throw unsigned(`no known key signed it (signed by ${[...unverified].join(", ")}; known keys: ${known})`);
  }
  return { text, verified: [...verified], unverified: [...unverified] };
}

interface NoteSignature {
  readonly name: string;
  readonly keyId: string;
  readonly signature: Buffer;
}

function splitNote(note: string, maxBytes: number): { text: string; signatures: NoteSignature[] } {
  if (Buffer.byteLength(note) > maxBytes) throw malformed(`it is larger than ${maxBytes} bytes`);
  requireNoteCharacters(note);
  const at = note.lastIndexOf("\n\n");
  if (at === -1) throw malformed("it has no blank line before its signatures");
  const block = note.slice(at + 2);
  if (!block.endsWith("\n")) throw malformed("it does not end in a signature line");
  const lines = block.slice(0, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw malformed(`it has more than ${MAX_SIGNATURES} signatures`);
  return { text: note.slice(0, at + 1), signatures: lines.map((line) => parseSignature(line)) };
}

function parseSignature(line: string): NoteSignature {
  const [dash, name, encoded, ...rest] = line.split(" ");
  if (dash !== "—" || name === undefined || encoded === undefined || rest.length > 0 || !isName(name)) {
    throw malformed("a signature line does not have the form `— name base64`");
  }
  const bytes = strictBase64(encoded);
  if (bytes === undefined || bytes.length < 5) throw malformed(`the signature of ${name} is not base64`);
  return { name, keyId: bytes.subarray(0, 4).toString("hex"), signature: bytes.subarray(4) };
}

/** Decodes base64 in its one canonical spelling; `undefined` for anything else, so that no bit can change unnoticed. */
export function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

function requireNoteCharacters(text: string): void {
  // oxlint-disable-next-line no-control-regex -- the format forbids exactly these
  if (/[\u0000-\u0009\u000b-\u001f\ufffd]/.test(text) || !text.isWellFormed()) {
    throw malformed("it holds control characters or is not UTF-8");
  }
}

function isName(name: string): boolean {
  return name !== "" && name.isWellFormed() && !/[\s\u0085+]/u.test(name);
}

function requireName(name: string): void {
  if (!isName(name)) throw invalidKey(`"${name}" cannot name a key: it is empty or holds a space or a plus sign`);
}

function rawPublic(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
}

function keyIdOf(name: string, publicKey: KeyObject): string {
  const hash = createHash("sha256").update(`${name}\n`);
  return hash.update(Buffer.of(ED25519)).update(rawPublic(publicKey)).digest("hex").slice(0, 8);
}

function encodeKey(raw: Buffer): string {
  return Buffer.concat([Buffer.of(ED25519), raw]).toString("base64");
}

function decodeKey(text: string, what: string): Buffer {
  const bytes = strictBase64(text);
  if (bytes?.length !== 33 || bytes[0] !== ED25519) throw invalidKey(`the ${what} is not an Ed25519 key in base64`);
  return bytes.subarray(1);
}

function invalidKey(why: string): SunnyError {
  return new SunnyError("NOTE_KEY_INVALID", `Cannot use the key: ${why}`, {
    hint: "Give the key exactly as it was generated, on one line.",
  });
}

function malformed(why: string): SunnyError {
  return new SunnyError("NOTE_MALFORMED", `Cannot read the signed note: ${why}`, {
    hint: "Take the file again from where it was made; it must not be edited, not even its last newline.",
  });
}

function unsigned(why: string): SunnyError {
  return new SunnyError("NOTE_UNVERIFIED", `The signed note cannot be believed: ${why}`, {
    hint: "Find out who changed the file, or give the verifier key of whoever signed it.",
  });
}
