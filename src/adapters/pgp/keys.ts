import { readFile, stat } from "node:fs/promises";
import type { Key, PrivateKey } from "openpgp";
import { TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";

/** Loads OpenPGP.js when it is needed: it takes some 35 ms. */
export const loadOpenpgp = (): Promise<typeof import("openpgp")> => import("openpgp");

/** Reads a public key that can be encrypted to. @throws TerminalError KEY_INVALID naming the file and the reason */
export async function readRecipient(file: string): Promise<Key> {
  const openpgp = await loadOpenpgp();
  try {
    const key = await openpgp.readKey({ armoredKey: await readFile(file, "utf8") });
    // Refuses expired and revoked keys, and keys that can only sign.
    await key.getEncryptionKey();
    return key;
  } catch (error) {
    throw new TerminalError("KEY_INVALID", `Cannot encrypt to the key in ${file}: ${messageOf(error)}`);
  }
}

/**
 * Reads a private key that is ready for use, and that nobody else can read.
 * @throws TerminalError KEY_INVALID naming the file and the reason
 */
export async function readPrivate(file: string): Promise<PrivateKey> {
  const openpgp = await loadOpenpgp();
  let key: PrivateKey;
  try {
    await requireOwn(file);
    key = await openpgp.readPrivateKey({ armoredKey: await readFile(file, "utf8") });
  } catch (error) {
    throw new TerminalError("KEY_INVALID", `Cannot read the private key in ${file}: ${messageOf(error)}`);
  }
  if (key.isDecrypted()) return key;
  throw new TerminalError(
    "KEY_INVALID",
    `The private key in ${file} is locked by a passphrase; give Sunny one that is not, in a file with mode 0600`,
  );
}

async function requireOwn(file: string): Promise<void> {
  const mode = (await stat(file)).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new Error(
    `others may read it (mode ${mode.toString(8).padStart(4, "0")}); give it to its owner alone: chmod 600`,
  );
}
