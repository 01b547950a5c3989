import { writeFileSync } from "node:fs";
import path from "node:path";
import { loadOpenpgp } from "./keys.ts";

/** For tests: a key pair in files. */
export async function pgpKeys(
  directory: string,
  name = "key",
  passphrase?: string,
): Promise<{ publicFile: string; privateFile: string; fingerprint: string }> {
  const openpgp = await loadOpenpgp();
  const userIDs = [{ name, email: `${name}@example.test` }];
  const made = await openpgp.generateKey({
    userIDs,
    format: "armored",
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  const publicFile = path.join(directory, `${name}.asc`);
  const privateFile = path.join(directory, `${name}.key.asc`);
  writeFileSync(publicFile, made.publicKey);
  writeFileSync(privateFile, made.privateKey, { mode: 0o600 });
  const key = await openpgp.readKey({ armoredKey: made.publicKey });
  return { publicFile, privateFile, fingerprint: key.getFingerprint().toUpperCase() };
}
