import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { generateKey, parseSigner } from "../../../src/audit/note.ts";
import type { NoteSigner } from "../../../src/audit/note.ts";

/** An armoured PGP key pair in two files, the private one 0600 and without passphrase. */
export interface PgpKeyFiles {
  readonly publicKeyFile: string;
  readonly privateKeyFile: string;
}

/** Makes a PGP key (Ed25519 and X25519) for somebody: `<directory>/<name>.public.asc` and `<name>.private.asc`. */
export async function createPgpKey(
  directory: string,
  who: { readonly name: string; readonly user: string; readonly email: string; readonly now: number },
): Promise<PgpKeyFiles> {
  const openpgp = await import("openpgp");
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: "ecc",
    curve: "curve25519Legacy",
    userIDs: [{ name: who.user, email: who.email }],
    // A signature must not be older than its key, also when the clock is set back a little.
    date: new Date(who.now - 60_000),
    format: "armored",
  });
  const files = {
    publicKeyFile: path.join(directory, `${who.name}.public.asc`),
    privateKeyFile: path.join(directory, `${who.name}.private.asc`),
  };
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(files.publicKeyFile, publicKey);
  await writeFile(files.privateKeyFile, privateKey, { mode: 0o600 });
  return files;
}

/** The key that signs releases. */
export interface ReleaseKey {
  readonly signer: NoteSigner;
  /** 0600. */
  readonly signerFile: string;
  /** What `releases.trustedKeys` takes. */
  readonly verifier: string;
}

/** Makes an Ed25519 key for signing releases (C2SP signed notes) in `<directory>/release.key`. */
export async function createReleaseKey(directory: string, name: string): Promise<ReleaseKey> {
  const { signer, verifier } = generateKey(name);
  const signerFile = path.join(directory, "release.key");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(signerFile, `${signer}\n`, { mode: 0o600 });
  return { signer: parseSigner(signer), signerFile, verifier };
}
