import { ReadableStream } from "node:stream/web";
import type { Key } from "openpgp";
import { TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { Cipher } from "../../operations/database/ports.ts";
import { loadOpenpgp, readPrivate, readRecipient } from "./keys.ts";

export interface PgpOptions {
  /** Files of armoured public keys. */
  readonly recipientFiles: readonly string[];
  /** File of an armoured private key that can open what is encrypted; without it nothing can be proved by restoring. */
  readonly keyFile?: string | undefined;
}

/** Encrypts to PGP recipients (RFC 9580), both ways as streams. */
export function pgpCipher({ recipientFiles, keyFile }: PgpOptions): Cipher {
  const recipientKeys = (): Promise<Key[]> => Promise.all(recipientFiles.map(readRecipient));
  return {
    recipients: async () => (await recipientKeys()).map((key) => key.getFingerprint().toUpperCase()),
    canDecrypt: keyFile !== undefined,
    async encrypt(plain) {
      const openpgp = await loadOpenpgp();
      const encrypted = await openpgp.encrypt({
        message: await openpgp.createMessage({ binary: webStream(plain) }),
        encryptionKeys: await recipientKeys(),
        format: "binary",
        // What comes in is compressed already.
        config: { preferredCompressionAlgorithm: openpgp.enums.compression.uncompressed },
      });
      return encrypted;
    },
    async decrypt(encrypted) {
      if (keyFile === undefined) throw new TerminalError("BACKUP_KEY_WRONG", "No key is configured that opens backups");
      const openpgp = await loadOpenpgp();
      const key = await readPrivate(keyFile);
      try {
        const message = await openpgp.readMessage({ binaryMessage: webStream(encrypted) });
        const { data } = await openpgp.decrypt({
          message,
          decryptionKeys: key,
          format: "binary",
          // Otherwise the whole backup is held in memory until its end is authenticated. Readers of `Cipher` trust nothing
          // before the end.
          config: { allowUnauthenticatedStream: true },
        });
        return data;
      } catch (error) {
        const fingerprint = key.getFingerprint().toUpperCase();
        throw new TerminalError(
          "BACKUP_KEY_WRONG",
          `The key ${fingerprint} of ${keyFile} does not open it: ${messageOf(error)}`,
        );
      }
    },
  };
}

function webStream(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  return ReadableStream.from<Uint8Array>(source);
}
