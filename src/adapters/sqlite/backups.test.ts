import assert from "node:assert/strict";
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { failureOf, named, runOperation, scratch } from "../../operations/checks/testing/fixtures.ts";
import { pgpKeys } from "../pgp/testing.ts";
import { pgpCipher } from "../pgp/cipher.ts";
import { readManifests, writeManifest } from "./backup-files.ts";
import { isDiskFull } from "./connection.ts";
import { DatabaseWorld } from "./testing.ts";

type Made = { id: string; file: string; proof: string; recipients: string[] };

function filled(t: TestContext, options: ConstructorParameters<typeof DatabaseWorld>[1] = {}): DatabaseWorld {
  const world = new DatabaseWorld(t, options);
  world.sql(`PRAGMA journal_mode = WAL; CREATE TABLE payments (id INTEGER PRIMARY KEY, note TEXT, raw BLOB, part REAL);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO payments SELECT i, 'payment ' || i, x'00ff', i / 3.0 FROM n;`);
  return world;
}

const backup = async (world: DatabaseWorld): Promise<Made> =>
  (await runOperation(named(world.operations, "backup-databases"), { system: world.system })).data as unknown as Made;

const verify = (world: DatabaseWorld): ReturnType<typeof failureOf> =>
  failureOf(named(world.operations, "backup-databases"), { system: world.system, args: { verify: true } });

test("a backup is made beside running writers, encrypted, and proved by restoring", async (t) => {
  const keys = await pgpKeys(scratch(t));
  const world = filled(t, { cipher: pgpCipher({ recipientFiles: [keys.publicFile], keyFile: keys.privateFile }) });
  const writer = new DatabaseSync(world.file);
  t.after(() => writer.close());
  writer.exec("BEGIN IMMEDIATE; INSERT INTO payments (note) VALUES ('not committed yet')");
  const report = await runOperation(named(world.operations, "backup-databases"), { system: world.system });
  writer.exec("COMMIT");
  assert.match(
    report.summary,
    /payments\.db is backed up as .*\.sqlite\.gz\.pgp: 5000 rows in 1 tables, .*, encrypted, proved by restoring/,
  );
  const made = report.data as unknown as Made;
  assert.deepEqual(made.recipients, [keys.fingerprint]);
  const stored = path.join(world.system.database.backupDir, made.file);
  assert.ok(!readFileSync(stored).includes("payment 4999"));
  assert.equal(statSync(stored).mode & 0o777, 0o600);
  assert.deepEqual(
    readdirSync(world.system.database.backupDir).filter((name) => name.startsWith(".work-")),
    [],
    "nothing is left in clear",
  );
});

test("without recipients the backup is plain, and says so", async (t) => {
  const world = filled(t);
  const report = await runOperation(named(world.operations, "backup-databases"), { system: world.system });
  assert.match(report.summary, /not encrypted, proved by restoring/);
  assert.match(
    report.findings?.find(({ subject }) => subject === "encryption")?.message ?? "",
    /no backupRecipients are configured/,
  );
});

test("without the private key the archive alone is verified, and the report says what was not shown", async (t) => {
  const keys = await pgpKeys(scratch(t));
  const world = filled(t, { cipher: pgpCipher({ recipientFiles: [keys.publicFile] }) });
  const report = await runOperation(named(world.operations, "backup-databases"), { system: world.system });
  assert.equal((report.data as unknown as Made).proof, "archive");
  assert.match(report.findings?.[0]?.message ?? "", /without backupKeyFile it cannot be restored here/);
});

test("a truncated backup is named", async (t) => {
  const world = filled(t);
  const { file, id } = await backup(world);
  const stored = path.join(world.system.database.backupDir, file);
  truncateSync(stored, statSync(stored).size - 100);
  const failure = await verify(world);
  assert.equal(failure.code, "CHECK_FAILED");
  assert.match(
    failure.message,
    new RegExp(`backup ${id}: the file ${file} is truncated: \\d+ bytes, \\d+ were written`),
  );
});

test("one flipped byte in a backup is named", async (t) => {
  const world = filled(t);
  const { file } = await backup(world);
  const stored = path.join(world.system.database.backupDir, file);
  const bytes = readFileSync(stored);
  bytes[500] = (bytes[500] ?? 0) ^ 1;
  writeFileSync(stored, bytes);
  assert.match((await verify(world)).message, /was altered: its sha256 is/);
});

test("a missing archive and a damaged manifest are named", async (t) => {
  const world = filled(t);
  const { file, id } = await backup(world);
  rmSync(path.join(world.system.database.backupDir, file));
  assert.match((await verify(world)).message, /is missing/);
  writeFileSync(path.join(world.system.database.backupDir, `${id}.manifest.json`), '{"format":1');
  const failure = await verify(world);
  assert.equal(failure.code, "BACKUP_DAMAGED");
  assert.match(failure.message, new RegExp(`The manifest .*${id}\\.manifest\\.json is damaged`));
});

test("content that differs from what was backed up is named by table", async (t) => {
  const world = filled(t);
  await backup(world);
  const { backupDir } = world.system.database;
  const [made] = await readManifests(backupDir);
  assert.equal(made?.tables["payments"]?.rows, 5000);
  const payments = { ...made.tables["payments"], rows: 5001 };
  await writeManifest(backupDir, { ...made, tables: { ...made.tables, payments } });
  assert.match((await verify(world)).message, /table payments has 5000 rows in the restored copy, 5001 were backed up/);
});

test("a manifest whose figures somebody has altered is refused, also by what only looks at the newest backup", async (t) => {
  const world = filled(t);
  const { id } = await backup(world);
  const manifest = path.join(world.system.database.backupDir, `${id}.manifest.json`);
  writeFileSync(manifest, readFileSync(manifest, "utf8").replace('"rows": 5000', '"rows": 5001'));
  const failure = await verify(world);
  assert.equal(failure.code, "BACKUP_DAMAGED");
  assert.match(failure.message, /manifest\.json is not as it was written: its figures were altered; set it aside/);
  await assert.rejects(world.ports.backups.list(), { code: "BACKUP_DAMAGED" });
});

test("a key that does not open the backup is named with its fingerprint", async (t) => {
  const root = scratch(t);
  const [keys, others] = [await pgpKeys(root, "right"), await pgpKeys(root, "wrong")];
  const world = filled(t, { cipher: pgpCipher({ recipientFiles: [keys.publicFile], keyFile: others.privateFile }) });
  const failure = await failureOf(named(world.operations, "backup-databases"), { system: world.system });
  assert.equal(failure.code, "CHECK_FAILED");
  assert.match(failure.message, new RegExp(`cannot be restored: The key ${others.fingerprint} of .* does not open it`));
});

test("a recipient's key that cannot be used fails before anything is written", async (t) => {
  const root = scratch(t);
  const file = path.join(root, "broken.asc");
  writeFileSync(file, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxx\n-----END PGP PUBLIC KEY BLOCK-----\n");
  const world = filled(t, { cipher: pgpCipher({ recipientFiles: [file] }) });
  const failure = await failureOf(named(world.operations, "backup-databases"), { system: world.system });
  assert.equal(failure.code, "KEY_INVALID");
  assert.match(failure.message, /Cannot encrypt to the key in .*broken\.asc/);
});

test("a disk without room is named before anything is written", async (t) => {
  const world = filled(t, { freeBytes: () => Promise.resolve(1000) });
  const failure = await failureOf(named(world.operations, "backup-databases"), { system: world.system });
  assert.equal(failure.code, "BACKUP_DISK_FULL");
  assert.match(failure.message, /1000 bytes free, .* needed; nothing was written/);
  assert.deepEqual(readdirSync(world.system.database.backupDir), []);
});

test("the error of a full device is recognised", { skip: process.platform !== "linux" && "needs /dev/full" }, () => {
  const device = openSync("/dev/full", "w");
  try {
    writeSync(device, "x");
    assert.fail("writing to a full device must fail");
  } catch (error) {
    assert.ok(isDiskFull(error));
  } finally {
    closeSync(device);
  }
});

test("a database that is missing is named, and no empty one is made", async (t) => {
  const world = filled(t);
  rmSync(world.file);
  const failure = await failureOf(named(world.operations, "backup-databases"), { system: world.system });
  assert.match(failure.message, /payments\.db/);
  assert.throws(() => statSync(world.file));
});

test("a second run of the same step returns the backup that is there", async (t) => {
  const world = filled(t);
  const scope = {
    signal: new AbortController().signal,
    idempotencyKey: "k",
    fence: { token: 1, attempt: 1 },
    log: (): void => {},
  };
  const first = await world.ports.backups.create("20250101T000000Z-aaaaaaaa", scope);
  world.sql("DELETE FROM payments");
  assert.deepEqual(await world.ports.backups.create("20250101T000000Z-aaaaaaaa", scope), first);
});

test("the oldest backups beyond the configured number go, with leftovers of a day; the newest proved one stays", async (t) => {
  const world = filled(t);
  const { backupDir } = world.system.database;
  const scope = {
    signal: new AbortController().signal,
    idempotencyKey: "k",
    fence: { token: 1, attempt: 1 },
    log: (): void => {},
  };
  const proved = await backup(world);
  for (const id of ["20990101T000000Z-aaaaaaaa", "20990102T000000Z-aaaaaaaa"])
    await world.ports.backups.create(id, scope);
  const leftover = path.join(backupDir, "20200101T000000Z-bbbbbbbb.sqlite.gz");
  const young = path.join(backupDir, "20200101T000000Z-cccccccc.sqlite.gz");
  writeFileSync(leftover, "x");
  writeFileSync(young, "x");
  utimesSync(leftover, 0, 0);
  assert.deepEqual(await world.ports.backups.prune(1, scope), ["20990101T000000Z-aaaaaaaa"]);
  const left = (await world.ports.backups.list()).map(({ id }) => id);
  assert.deepEqual(left.toSorted(), [proved.id, "20990102T000000Z-aaaaaaaa"].toSorted());
  assert.ok(!readdirSync(backupDir).includes(path.basename(leftover)));
  assert.ok(readdirSync(backupDir).includes(path.basename(young)));
});
