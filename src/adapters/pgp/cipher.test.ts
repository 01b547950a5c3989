import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { without } from "../../../test/support/programs.ts";
import { scratch } from "../../operations/checks/testing/fixtures.ts";
import { pgpCipher } from "./cipher.ts";
import { pgpKeys } from "./testing.ts";

async function* chunks(...parts: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

test("what is encrypted to several recipients is opened by each of them", async (t) => {
  const root = scratch(t);
  const [first, second] = [await pgpKeys(root, "first"), await pgpKeys(root, "second")];
  const plain = randomBytes(300_000);
  const recipientFiles = [first.publicFile, second.publicFile];
  const encrypted = await collect(
    await pgpCipher({ recipientFiles }).encrypt(chunks(plain.subarray(0, 7), plain.subarray(7))),
  );
  assert.ok(!encrypted.includes(plain.subarray(1000, 1032)));
  for (const { privateFile } of [first, second]) {
    const opened = await collect(await pgpCipher({ recipientFiles, keyFile: privateFile }).decrypt(chunks(encrypted)));
    assert.ok(opened.equals(plain));
  }
});

test("an altered byte is found at the end of the stream, at the latest", async (t) => {
  const keys = await pgpKeys(scratch(t));
  const cipher = pgpCipher({ recipientFiles: [keys.publicFile], keyFile: keys.privateFile });
  const encrypted = await collect(await cipher.encrypt(chunks(randomBytes(50_000))));
  encrypted[30_000] = (encrypted[30_000] ?? 0) ^ 1;
  await assert.rejects(async () => collect(await cipher.decrypt(chunks(encrypted))), /[Mm]odification|[Ee]rror/);
});

test("a private key that others may read is not used, and the remedy is said", async (t) => {
  const keys = await pgpKeys(scratch(t), "dba");
  const cipher = pgpCipher({ recipientFiles: [keys.publicFile], keyFile: keys.privateFile });
  for (const mode of [0o644, 0o640, 0o604]) {
    chmodSync(keys.privateFile, mode);
    await assert.rejects(async () => cipher.decrypt(chunks(new Uint8Array(1))), {
      code: "KEY_INVALID",
      message: new RegExp(`${keys.privateFile}: others may read it \\(mode 0${mode.toString(8)}\\).*chmod 600`),
    });
  }
});

test("a private key behind a passphrase, or one that is none, is refused by file", async (t) => {
  const root = scratch(t);
  const keys = await pgpKeys(root, "locked", "a passphrase");
  const cipher = pgpCipher({ recipientFiles: [keys.publicFile], keyFile: keys.privateFile });
  const encrypted = await collect(await cipher.encrypt(chunks(Buffer.from("x"))));
  await assert.rejects(cipher.decrypt(chunks(encrypted)), {
    code: "KEY_INVALID",
    message: /locked\.key\.asc is locked by a passphrase/,
  });
  writeFileSync(keys.privateFile, "no key");
  await assert.rejects(cipher.decrypt(chunks(encrypted)), {
    code: "KEY_INVALID",
    message: /Cannot read the private key in .*locked\.key\.asc/,
  });
});

test("GnuPG opens what is written here", { skip: without("gpg") }, async (t) => {
  const root = scratch(t);
  const keys = await pgpKeys(root);
  const plain = randomBytes(100_000);
  const encrypted = await collect(await pgpCipher({ recipientFiles: [keys.publicFile] }).encrypt(chunks(plain)));
  const home = path.join(root, "gnupg");
  spawnSync("mkdir", [home]);
  chmodSync(home, 0o700);
  const options = ["--homedir", home, "--batch", "--quiet"];
  t.after(() => spawnSync("gpgconf", ["--homedir", home, "--kill", "all"]));
  assert.equal(spawnSync("gpg", [...options, "--import", keys.privateFile]).status, 0);
  const opened = spawnSync("gpg", [...options, "--decrypt"], { input: encrypted, maxBuffer: 1e7 });
  assert.ok(opened.stdout.equals(plain), opened.stderr.toString());
});
