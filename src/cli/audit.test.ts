import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import { Command } from "commander";
import { generateKey } from "../audit/note.ts";
import { systemClock } from "../clock.ts";
import type { StepOptions, WorkflowDef } from "../engine/context.ts";
import { createEngine } from "../engine/engine.ts";
import { isSunnyError } from "../errors.ts";
import { openSunny, type Sunny } from "../main.ts";
import type { Plan } from "../plan/model.ts";
import { loadSystem } from "../system/load.ts";
import { openRecords } from "../wiring/records.ts";
import { configure } from "./audit.ts";
import type { CliContext } from "./context.ts";
import { createOutput } from "./output.ts";

const IDEMPOTENT: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000 };
const PLAN = "sha256:0123";

const twoSteps: WorkflowDef<{ plan: { digest: string } }, string> = {
  name: "two-steps",
  version: 1,
  run: async (ctx) => {
    await ctx.step("migrate", () => Promise.resolve({ applied: 1 }), IDEMPOTENT);
    await ctx.step("deploy", () => Promise.resolve(null), IDEMPOTENT);
    return "succeeded";
  },
};

/** A state directory on disk in which two deployments were recorded, and one approval. */
async function recorded(t: TestContext): Promise<{ config: string; dir: string; at(...parts: string[]): string }> {
  const dir = mkdtempSync(path.join(tmpdir(), "sunny-cli-audit-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const config = path.join(dir, "sunny.config.json");
  writeFileSync(config, JSON.stringify(CONFIG));
  const { system } = await loadSystem(config, dir);
  const records = openRecords(system, systemClock);
  const engine = createEngine({ journal: records.journal, clock: systemClock });
  for (const id of ["d-1", "d-2"]) {
    const input = { plan: { digest: id === "d-1" ? PLAN : "sha256:4567" } };
    engine.start(twoSteps, { id, input, actor: "operator", environment: "production" });
    await engine.execute(id, [twoSteps]);
  }
  records.close();
  const result = { config, dir, at: (...parts: string[]) => path.join(dir, ...parts) };
  await withSunny(result.config, (sunny) => {
    sunny.record("cto", "approval.granted", "success", { digest: PLAN } as Plan, { role: "CTO" });
  });
  return result;
}

const CONFIG = {
  service: "payments",
  environment: "production",
  stateDir: "state",
  checkpointCopyDir: "copy",
  releases: { dir: "releases", trustedKeys: [generateKey("releases").verifier] },
  hosts: [{ name: "web-1", root: "web-1", port: 4000 }],
  loadBalancer: { kind: "embedded", socket: "proxy.sock" },
  database: { kind: "sqlite", file: "payments.db", backupDir: "backups" },
};

async function withSunny(config: string, work: (sunny: Sunny) => void): Promise<void> {
  const sunny = await openSunny(await loadSystem(config, path.dirname(config)), { clock: systemClock });
  try {
    work(sunny);
  } finally {
    await sunny.close();
  }
}

interface Called {
  readonly status: number;
  readonly text: string;
  readonly error: unknown;
}

/** Calls `sunny audit ARGS` in this process. */
async function audit(config: string, ...args: string[]): Promise<Called> {
  let text = "";
  const stream = { write: (more: string) => void (text += more) };
  let status = 0;
  let opened: Sunny | undefined;
  const loaded = loadSystem(config, path.dirname(config));
  const context = {
    output: createOutput({ json: false, stdout: stream, stderr: stream, clock: systemClock }),
    clock: systemClock,
    cwd: path.dirname(config),
    actor: "operator",
    system: () => loaded,
    sunny: async () => (opened ??= await openSunny(await loaded, { clock: systemClock })),
    exit: (wanted: number) => void (status = wanted),
  } as unknown as CliContext;
  const command = new Command("audit").exitOverride();
  configure(command, context);
  try {
    await command.parseAsync(args, { from: "user" });
    return { status, text, error: null };
  } catch (error) {
    return { status: 1, text, error };
  } finally {
    await opened?.close();
  }
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] ?? 0) ^ 0x01;
  writeFileSync(file, bytes);
}

function change(database: string, sql: string): void {
  const db = new DatabaseSync(database);
  db.exec(sql);
  db.close();
}

const filesBelow = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));

describe("sunny audit verify", () => {
  it("accepts what was recorded, and changes nothing", async (t) => {
    const { config, at } = await recorded(t);
    const before = filesBelow(at("state", "audit")).map((file) => readFileSync(file, "hex"));
    const { status, text } = await audit(config, "verify");
    assert.match(text, /^verified: \d+ entries of sunny\/payments\/production, root /m);
    assert.equal(status, 0);
    assert.deepEqual(
      filesBelow(at("state", "audit")).map((file) => readFileSync(file, "hex")),
      before,
    );
    assert.match(readFileSync(at("state", "keys", "audit.pub"), "utf8"), /^sunny\/payments\/production\+/);
  });

  it("refuses a flipped bit in each published file and in the second copy's checkpoint", async (t) => {
    const { config, at } = await recorded(t);
    const files = [...filesBelow(at("state", "audit")), at("copy", "checkpoint")];
    assert.equal(files.length, 4, files.join(", "));
    for (const file of files) {
      const original = readFileSync(file);
      for (const place of [0, Math.floor(original.length / 2), -1]) {
        flip(file, place);
        const { status, text } = await audit(config, "verify");
        assert.equal(status, 1, `${file} at ${place}: ${text}`);
        assert.match(text, /NOT verified: \d+ problems?/);
        writeFileSync(file, original);
      }
    }
    assert.equal((await audit(config, "verify")).status, 0);
  });

  it("finds rows of the journal that were altered, removed or added, and an altered input of a run", async (t) => {
    const { config, at } = await recorded(t);
    const database = at("state", "journal.db");
    const original = readFileSync(database);
    const cases: [string, RegExp][] = [
      ["UPDATE rows SET data = replace(data, '\"applied\":1', '\"applied\":2')", /JOURNAL_ALTERED {2}Row \d+ of the/],
      ["UPDATE rows SET actor = 'somebody' WHERE seq = 3", /JOURNAL_ALTERED {2}Row 3 of the journal/],
      ["UPDATE rows SET data = '{' WHERE seq = 2", /JOURNAL_ALTERED {2}Row 2 of the journal/],
      ["UPDATE rows SET data = data || ' ' WHERE seq = 2", /JOURNAL_ALTERED {2}Row 2 of the journal/],
      ["DELETE FROM rows WHERE seq = 4", /JOURNAL_MISSING {2}Row 4 of the journal/],
      [
        "INSERT INTO rows SELECT 900, run, type, op, kind, name, attempt, actor, at, data FROM rows WHERE seq = 1",
        /JOURNAL_ALTERED {2}Row 900 of the journal was never recorded/,
      ],
      ["UPDATE runs SET frozen = replace(frozen, '4567', '7654') WHERE id = 'd-2'", /JOURNAL_ALTERED {2}Row \d+ of/],
      ["DROP TRIGGER audit_leaf_stays; UPDATE audit_leaf SET data = x'78' WHERE idx = 2", /ROW_ALTERED .*action 2/],
    ];
    for (const [sql, expected] of cases) {
      change(database, sql);
      const { status, text } = await audit(config, "verify");
      assert.match(text, expected, sql);
      assert.equal(status, 1, sql);
      for (const side of ["-wal", "-shm"]) rmSync(`${database}${side}`, { force: true });
      writeFileSync(database, original);
    }
    assert.equal((await audit(config, "verify")).status, 0);
  });

  it("finds a single flipped bit of a row in the database's file", async (t) => {
    const { config, at } = await recorded(t);
    change(at("state", "journal.db"), "PRAGMA secure_delete = ON; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    for (const text of ['"applied":1', '{"plan":{"digest":"sha256:4567', '"action":"step.ended"']) {
      const place = readFileSync(at("state", "journal.db")).indexOf(text);
      assert.ok(place > 0, text);
      flip(at("state", "journal.db"), place + 9);
      const { status, text: shown } = await audit(config, "verify");
      assert.equal(status, 1, text);
      assert.match(shown, /JOURNAL_ALTERED|ROW_ALTERED|DATABASE_DAMAGED/);
      flip(at("state", "journal.db"), place + 9);
    }
    assert.equal((await audit(config, "verify")).status, 0);
  });

  it("refuses a whole state directory that was put back, by a checkpoint that was kept elsewhere", async (t) => {
    const { config, at } = await recorded(t);
    const old = (await audit(config, "checkpoint")).text;
    await audit(config, "list");
    writeFileSync(at("kept"), (await audit(config, "checkpoint")).text);
    const newer = readFileSync(at("kept"), "utf8");
    assert.notEqual(newer, old);
    assert.equal((await audit(config, "verify", "--against", "kept")).status, 0);
    writeFileSync(at("kept"), newer.replace(/^\d+$/m, "999"));
    const forged = await audit(config, "verify", "--against", "kept");
    assert.equal(forged.status, 1);
    assert.match(forged.text, /CHECKPOINT_INVALID {2}The checkpoint to compare with cannot be believed/);
  });
});

describe("a log that does not fit what is known of it", () => {
  it("is refused on opening, with its own code, and nothing is written", async (t) => {
    const { config, at } = await recorded(t);
    const earlier = ["journal.db", "audit/checkpoint"].map((file) => readFileSync(at("state", file)));
    await audit(config, "list");
    for (const side of ["-wal", "-shm"]) rmSync(at("state", `journal.db${side}`), { force: true });
    writeFileSync(at("state", "journal.db"), earlier[0]!);
    await assert.rejects(
      withSunny(config, () => assert.fail("it must not open")),
      (error) => isSunnyError(error, "AUDIT_LOST_TAIL"),
    );
    writeFileSync(at("state", "audit", "checkpoint"), earlier[1]!);
    const { error } = await audit(config, "list");
    assert.ok(isSunnyError(error, "AUDIT_ROLLED_BACK"));
    assert.match(error.message, /the second copy knows of|covers \d+ actions/);
    const { status, text } = await audit(config, "verify");
    assert.equal(status, 1);
    assert.match(text, /ROLLED_BACK/);
    const refused = await audit(config, "repair");
    assert.ok(isSunnyError(refused.error, "AUDIT_BEYOND_REPAIR"));
    assert.deepEqual(readFileSync(at("state", "journal.db")), earlier[0]);
  });

  it("is refused when its signing key is gone, and no new key is made", async (t) => {
    const { config, at } = await recorded(t);
    rmSync(at("state", "keys", "audit.key"));
    const { error } = await audit(config, "list");
    assert.ok(isSunnyError(error, "AUDIT_KEY_MISSING"));
    assert.equal(existsSync(at("state", "keys", "audit.key")), false);
    assert.equal((await audit(config, "verify")).status, 0);
  });
});

describe("sunny audit repair", () => {
  it("does nothing to a log that is right", async (t) => {
    const { config } = await recorded(t);
    assert.match((await audit(config, "repair")).text, /Nothing is wrong/);
  });

  it("writes damaged files again from the database, keeps what was there, and records that it did", async (t) => {
    const { config, at } = await recorded(t);
    const files = filesBelow(at("state", "audit"));
    const damaged = files.map((file) => {
      flip(file, 10);
      return readFileSync(file, "hex");
    });
    writeFileSync(at("state", "audit", "stranger"), "");
    const { status, text } = await audit(config, "repair");
    assert.match(text, /^verified: /m);
    assert.equal(status, 0);
    const kept = filesBelow(at("state", "set-aside"));
    assert.deepEqual(
      new Set(kept.filter((file) => !file.endsWith("stranger")).map((file) => readFileSync(file, "hex"))),
      new Set(damaged),
    );
    assert.ok(kept.some((file) => file.endsWith("stranger")));
    assert.match((await audit(config, "list")).text, /"action":"log.repaired"/);
    assert.equal((await audit(config, "verify")).status, 0);
  });

  it("begins a new second copy only when that is asked for", async (t) => {
    const { config, at } = await recorded(t);
    renameSync(at("copy"), at("lost"));
    const { error } = await audit(config, "list");
    assert.ok(isSunnyError(error, "AUDIT_COPY_MISSING"));
    const refused = await audit(config, "repair");
    assert.ok(isSunnyError(refused.error, "AUDIT_BEYOND_REPAIR"));
    const { status, text } = await audit(config, "repair", "--new-copy");
    assert.equal(status, 0, text);
    assert.equal((await audit(config, "verify")).status, 0);
  });
});

describe("evidence of a deployment", () => {
  it("holds its actions and the approvals of its plan, and verifies with the log's key alone", async (t) => {
    const { config, at } = await recorded(t);
    const { text } = await audit(config, "export", "d-1", "--out", "evidence");
    assert.match(text, /\d+ actions of d-1, each with its proof/);
    renameSync(at("state", "keys", "audit.pub"), at("trusted.pub"));
    rmSync(at("state"), { recursive: true });
    const verified = await audit(config, "verify-evidence", "evidence", "--key", "trusted.pub");
    assert.equal(verified.error, null);
    assert.match(verified.text, /cto .*approval\.granted/);
    assert.match(verified.text, /step\.ended {2}migrate/);
    assert.match(verified.text, /verified: \d+ actions, as they are in the log sunny\/payments\/production/);
    assert.doesNotMatch(verified.text, /d-2/);
  });

  it("tells what is not in it", async (t) => {
    const { config, at } = await recorded(t);
    await audit(config, "export", "d-2", "--out", "evidence");
    const key = ["--key", "state/keys/audit.pub"];
    const whole = await audit(config, "verify-evidence", "evidence", ...key);
    assert.doesNotMatch(whole.text, /The (?:beginning|end) of/);
    const last = filesBelow(at("evidence"))
      .filter((file) => file.endsWith(".json"))
      .toSorted()
      .at(-1)!;
    for (const file of [last, last.replace(/json$/, "tlog-proof")]) rmSync(file);
    const cut = await audit(config, "verify-evidence", "evidence", ...key);
    assert.match(cut.text, /verified: \d+ actions[^]*The end of d-2 is not among them/);
  });

  it("does not verify once a byte of it was changed, nor with another key", async (t) => {
    const { config, at } = await recorded(t);
    await audit(config, "export", "d-2", "--out", "evidence");
    writeFileSync(at("other.pub"), generateKey("sunny/payments/production").verifier);
    const other = await audit(config, "verify-evidence", "evidence", "--key", "other.pub");
    assert.ok(isSunnyError(other.error, "NOTE_UNVERIFIED"));
    const [leaf] = filesBelow(at("evidence")).filter((file) => file.endsWith(".json"));
    flip(leaf!, 20);
    const changed = await audit(config, "verify-evidence", "evidence", "--key", "state/keys/audit.pub");
    assert.ok(isSunnyError(changed.error));
  });

  it("is refused for a deployment that nobody knows, and beside what is there already", async (t) => {
    const { config } = await recorded(t);
    assert.ok(isSunnyError((await audit(config, "export", "d-9", "--out", "e")).error, "AUDIT_NOT_FOUND"));
    assert.equal((await audit(config, "export", "d-1", "--out", "e")).error, null);
    assert.ok(isSunnyError((await audit(config, "export", "d-1", "--out", "e")).error, "AUDIT_EVIDENCE_EXISTS"));
  });
});
