import type { KeyID, PrivateKey, PublicKey, VerifyOptions } from "openpgp";
import type { Millis } from "../clock.ts";
import { messageOf, SunnyError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import type { SignedText } from "./approval.ts";

/** How far a signer's clock may be ahead of ours. */
export const CLOCK_SKEW_MS = 300_000;

/** An armoured key pair; the private part is encrypted when a passphrase was given. */
export interface KeyPair {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** What a signature turned out to be. `signer` is the index of the key in the list that was given. */
export type SignatureCheck =
  | { readonly ok: true; readonly text: string; readonly signer: number; readonly fingerprint: string }
  | {
      readonly ok: false;
      readonly reason: "malformed" | "bad-signature" | "unknown-signer" | "key-revoked" | "key-expired";
      readonly message: string;
      readonly signer: number | null;
      /** The text as it stands, not to be trusted; null where there is none. */
      readonly text: string | null;
    };

/** Makes an Ed25519 key (RFC 9580 "EdDSALegacy", which GnuPG reads as well) for `name` and `email`, valid from `now`, for ever. */
export async function generateKey(name: string, email: string, now: Millis, passphrase?: Secret): Promise<KeyPair> {
  const { generateKey: generate } = await import("openpgp");
  const { publicKey, privateKey } = await generate({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: { name, email },
    date: new Date(now),
    ...(passphrase === undefined ? {} : { passphrase: passphrase.reveal() }),
    format: "armored",
  });
  return { publicKey, privateKey };
}

/**
 * Clear-signs `text` at time `now`; only the signed block leaves this function, never the key.
 * @throws APPROVAL_KEY_UNUSABLE when the key is not a private key, is locked, or the passphrase is wrong.
 */
export async function clearSign(text: string, privateKey: string, now: Millis, passphrase?: Secret): Promise<string> {
  const { createCleartextMessage, sign } = await import("openpgp");
  const signingKeys = await unlock(privateKey, passphrase);
  try {
    const signed = await sign({ message: await createCleartextMessage({ text }), signingKeys, date: new Date(now) });
    // The library writes the text with CRLF and the rest with LF; verifiers take both, files and diffs do not.
    return signed.replaceAll("\r\n", "\n");
  } catch (error) {
    throw unusable(messageOf(error), error);
  }
}

async function unlock(armored: string, passphrase: Secret | undefined): Promise<PrivateKey> {
  const { readPrivateKey, decryptKey } = await import("openpgp");
  let key: PrivateKey;
  try {
    key = await readPrivateKey({ armoredKey: armored });
  } catch (error) {
    throw unusable("it is not an armoured PGP private key", error);
  }
  if (key.isDecrypted()) return key;
  if (passphrase === undefined) throw unusable("it is locked and no passphrase was given");
  try {
    return await decryptKey({ privateKey: key, passphrase: passphrase.reveal() });
  } catch (error) {
    throw unusable("the passphrase is wrong", error);
  }
}

function unusable(why: string, cause?: unknown): SunnyError {
  return new SunnyError("APPROVAL_KEY_UNUSABLE", `Cannot sign with this key: ${why}`, {
    hint: "Sign with your own PGP key, or sign the printed text elsewhere (gpg --clearsign) and hand in the result.",
    cause,
  });
}

/**
 * Verifies a text with exactly one signature against `keys` (each an armoured block of one or more public keys). The
 * key must be valid at `now`: a revoked or expired one is refused, even when the signature is older.
 */
export async function verifySigned(signed: SignedText, keys: readonly string[], now: Millis): Promise<SignatureCheck> {
  const parsed = await parseSigned(signed);
  if (typeof parsed === "string") return { ok: false, reason: "malformed", message: parsed, text: null, signer: null };
  const { text, issuers } = parsed;
  const refuse = (reason: RefusalReason, message: string, signer: number | null): SignatureCheck => ({
    ok: false,
    reason,
    message,
    text,
    signer,
  });
  const issuer = issuers[0];
  if (issuers.length !== 1 || issuer === undefined) {
    return refuse("malformed", `it carries ${issuers.length} signatures, one is expected`, null);
  }
  const found = await findKey(issuer, keys);
  if (found === null) return refuse("unknown-signer", `nobody has the key ${issuer.toHex().toUpperCase()}`, null);
  const { key, index } = found;
  const unfit = await unfitness(key, issuer, now);
  if (unfit !== null) return refuse(unfit.reason, unfit.message, index);
  try {
    await parsed.verify(key, new Date(now + CLOCK_SKEW_MS));
    return { ok: true, text, signer: index, fingerprint: key.getFingerprint().toUpperCase() };
  } catch (error) {
    return refuse("bad-signature", `the signature does not fit the text (${messageOf(error)})`, index);
  }
}

type RefusalReason = Extract<SignatureCheck, { ok: false }>["reason"];

interface ParsedSigned {
  readonly text: string;
  readonly issuers: readonly KeyID[];
  /** Rejects unless the one signature over `text` was made by `key`. */
  verify(key: PublicKey, date: Date): Promise<void>;
}

/** Splits text and signature without judging them; a sentence when that cannot be done. */
async function parseSigned(signed: SignedText): Promise<ParsedSigned | string> {
  const { createMessage, readCleartextMessage, readSignature, verify } = await import("openpgp");
  try {
    if (typeof signed === "string") {
      const message = await readCleartextMessage({ cleartextMessage: signed });
      const check = async (key: PublicKey, date: Date): Promise<void> => {
        await verify({ message, ...basics(key, date) });
      };
      return { text: message.getText(), issuers: message.getSigningKeyIDs(), verify: check };
    }
    const message = await createMessage({ text: signed.text });
    const signature = await readSignature({ armoredSignature: signed.signature });
    const check = async (key: PublicKey, date: Date): Promise<void> => {
      await verify({ message, signature, ...basics(key, date) });
    };
    return { text: signed.text, issuers: signature.getSigningKeyIDs(), verify: check };
  } catch (error) {
    return `it is not a signed PGP message (${messageOf(error)})`;
  }
}

function basics(key: PublicKey, date: Date): Pick<VerifyOptions, "verificationKeys" | "expectSigned" | "date"> {
  return { verificationKeys: key, expectSigned: true, date };
}

async function findKey(id: KeyID, keys: readonly string[]): Promise<{ key: PublicKey; index: number } | null> {
  const { readKeys } = await import("openpgp");
  for (const [index, armoredKeys] of keys.entries()) {
    for (const key of await readKeys({ armoredKeys }).catch(() => [])) {
      if (key.getKeys(id).length > 0) return { key, index };
    }
  }
  return null;
}

/** Why a key does not count at `now`; null when it does. A revocation counts whenever it was made. */
async function unfitness(
  key: PublicKey,
  id: KeyID,
  now: Millis,
): Promise<{ reason: RefusalReason; message: string } | null> {
  const name = key.getUserIDs()[0] ?? id.toHex().toUpperCase();
  const ever = new Date(8.64e15);
  if (await key.isRevoked(undefined, undefined, ever)) {
    return { reason: "key-revoked", message: `the key of ${name} was revoked` };
  }
  try {
    await key.getSigningKey(id, new Date(now + CLOCK_SKEW_MS));
    return null;
  } catch (error) {
    const why = messageOf(error);
    if (/revoked/i.test(why)) return { reason: "key-revoked", message: `the key of ${name} was revoked` };
    if (/expired/i.test(why)) return { reason: "key-expired", message: `the key of ${name} has expired` };
    return { reason: "bad-signature", message: `the key of ${name} cannot sign (${why})` };
  }
}
