import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { describe, it, type TestContext } from "node:test";
import { launcherFor } from "../../operations/launcher.ts";
import { freeze } from "../../plan/digest.ts";
import type { Plan } from "../../plan/model.ts";
import { compileText } from "../../plan/testing.ts";
import { parseRunbook } from "../../runbook/parse.ts";
import { filePlans } from "./plans.ts";
import { resolveScripts } from "./scripts.ts";
import { fileStatements } from "./statements.ts";

function scratch(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-files-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const mode = (file: string): number => statSync(file).mode & 0o777;

describe("statements", () => {
  const DIGEST = `sha256:${"ab".repeat(32)}`;

  it("are listed in the order in which they came, by plan, and only their owner reads them", (t) => {
    const dir = path.join(scratch(t), "approvals");
    const store = fileStatements(dir);
    assert.deepEqual(store.list(DIGEST), []);
    for (let i = 0; i < 11; i++) store.add(DIGEST, { kind: "approval", signed: `approval ${i}` });
    store.add(`sha256:${"cd".repeat(32)}`, { kind: "approval", signed: "of another plan" });
    assert.deepEqual(
      fileStatements(dir)
        .list(DIGEST)
        .map((one) => (one.kind === "approval" ? one.signed : "")),
      Array.from({ length: 11 }, (_, i) => `approval ${i}`),
    );
    const folder = path.join(dir, "ab".repeat(32));
    assert.deepEqual([mode(folder), mode(path.join(folder, "000001.json"))], [0o700, 0o600]);
  });

  it("of people who sign at the same time are all kept", async (t) => {
    const dir = path.join(scratch(t), "approvals");
    const program = `
      import { fileStatements } from ${JSON.stringify(path.join(import.meta.dirname, "statements.ts"))};
      const store = fileStatements(${JSON.stringify(dir)});
      console.log("ready");
      process.stdin.once("data", () => {
        for (let i = 0; i < 40; i++) store.add(${JSON.stringify(DIGEST)}, { kind: "approval", signed: process.pid + " " + i });
        process.exit(0);
      });`;
    const signers = Array.from({ length: 3 }, () =>
      spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["pipe", "pipe", "inherit"] }),
    );
    await Promise.all(signers.map((one) => once(one.stdout, "data")));
    for (const one of signers) one.stdin.end("go");
    await Promise.all(signers.map((one) => once(one, "close")));
    const kept = fileStatements(dir).list(DIGEST);
    assert.equal(new Set(kept.map((one) => JSON.stringify(one))).size, 120);
    const left = readdirSync(path.join(dir, "ab".repeat(32))).filter((name) => !/^\d{6}\.json$/.test(name));
    assert.deepEqual(left, []);
  });

  it("are used by one run each, and those that come later are still to be used", (t) => {
    const dir = path.join(scratch(t), "approvals");
    const store = fileStatements(dir);
    store.use(DIGEST, "d-0");
    store.add(DIGEST, { kind: "approval", signed: "first" });
    store.use(DIGEST, "d-1");
    store.use(DIGEST, "d-2");
    store.add(DIGEST, { kind: "approval", signed: "second" });
    const users = (): (string | null)[] =>
      fileStatements(dir)
        .list(DIGEST)
        .map((one) => one.usedBy);
    assert.deepEqual(users(), ["d-1", null]);
    store.use(DIGEST, "d-2");
    assert.deepEqual(users(), ["d-1", "d-2"]);
    const names = readdirSync(path.join(dir, "ab".repeat(32))).toSorted();
    assert.deepEqual(names, ["000001.json", "000001.used", "000002.json", "000002.used"]);
  });

  it("of a digest that tries to leave the folder stay in it", (t) => {
    const dir = path.join(scratch(t), "approvals");
    fileStatements(dir).add("../../etc/sha256:ab", { kind: "approval", signed: "x" });
    const [folder = "", ...others] = readdirSync(dir);
    assert.match(folder, /^[0-9a-f]+$/);
    assert.deepEqual(others, []);
  });
});

describe("plans", () => {
  const planFor = (reason: string): Plan => {
    const { plan } = compileText(
      "# Deployment\n\n## Deployment\n\n### 1. Look\n\n```bash\n./scripts/verify-ssl.sh\n```\n",
      {
        reason,
      },
    );
    assert.ok(plan);
    return plan;
  };

  it("are found again by their digest or its beginning", (t) => {
    const dir = path.join(scratch(t), "plans");
    const store = filePlans(dir);
    assert.equal(store.find("abcdef"), undefined);
    const plan = planFor("one");
    store.keep(plan);
    store.keep(plan);
    const hex = plan.digest.replace("sha256:", "");
    for (const reference of [plan.digest, hex, hex.slice(0, 6)]) assert.deepEqual(store.find(reference), plan);
    for (const reference of [hex.slice(0, 5), "../plans", "zzzzzz", ""]) assert.equal(store.find(reference), undefined);
    assert.deepEqual(readdirSync(dir), [`${hex}.json`]);
    assert.equal(mode(path.join(dir, `${hex}.json`)), 0o600);
  });

  it("are not guessed at when several fit", (t) => {
    const dir = path.join(scratch(t), "plans");
    const store = filePlans(dir);
    store.keep(planFor("one"));
    const [name = ""] = readdirSync(dir);
    writeFileSync(path.join(dir, `${name.slice(0, 8)}${"0".repeat(56)}.json`), "{}");
    assert.equal(store.find(name.slice(0, 8)), undefined);
  });

  it("that were altered or cut off are refused", (t) => {
    const dir = path.join(scratch(t), "plans");
    const store = filePlans(dir);
    const plan = planFor("one");
    store.keep(plan);
    const file = path.join(dir, `${plan.digest.replace("sha256:", "")}.json`);
    writeFileSync(file, JSON.stringify({ ...plan, reason: "another" }));
    assert.throws(() => store.find(plan.digest), { code: "PLAN_INVALID", message: /was altered/ });
    writeFileSync(file, JSON.stringify(plan).slice(0, 100));
    assert.throws(() => store.find(plan.digest), { code: "PLAN_INVALID", message: /cut off/ });
    const { digest: _, ...rest } = plan;
    assert.equal(freeze(rest).digest, plan.digest);
  });
});

describe("scripts", () => {
  const RUNBOOK = [
    "# Deployment\n\n## Deployment\n\n### 1. All\n\n```bash",
    "./scripts/verify-ssl.sh",
    "./scripts/own.sh",
    "./scripts/nowhere.sh",
    "```\n",
  ].join("\n");
  const OPERATIONS = new Set(["verify-ssl", "migrate"]);
  const LAUNCHER = launcherFor({ name: "verify-ssl", script: "sh" });

  function place(t: TestContext) {
    const root = scratch(t);
    const beside = path.join(root, "runbook", "scripts");
    const configured = path.join(root, "configured");
    for (const directory of [beside, configured]) mkdirSync(directory, { recursive: true });
    const { runbook } = parseRunbook(RUNBOOK, path.join(root, "runbook", "RUNBOOK.md"));
    const put = (directory: string, name: string, text: string, permissions = 0o755): void => {
      writeFileSync(path.join(directory, name), text);
      chmodSync(path.join(directory, name), permissions);
    };
    return { beside, configured, put, resolve: () => resolveScripts(runbook, configured, OPERATIONS) };
  }

  it("are looked for beside the runbook, then where the configuration says, then among the built-in ones", (t) => {
    const { beside, configured, put, resolve } = place(t);
    const found = () => resolve().get("./scripts/verify-ssl.sh")?.found;
    assert.equal(found(), "built in");
    put(configured, "verify-ssl.sh", LAUNCHER);
    assert.equal(found(), "in the configured scripts");
    put(beside, "verify-ssl.sh", LAUNCHER);
    assert.equal(found(), "beside the runbook");
    assert.equal(resolve().has("./scripts/nowhere.sh"), false);
  });

  it("that are Sunny's byte for byte are their operation, and an edited one is a script like any other", (t) => {
    const { beside, put, resolve } = place(t);
    put(beside, "verify-ssl.sh", LAUNCHER);
    const before = resolve().get("./scripts/verify-ssl.sh");
    assert.equal(before?.operation, "verify-ssl");
    appendFileSync(path.join(beside, "verify-ssl.sh"), "# by the way\n");
    const edited = resolve().get("./scripts/verify-ssl.sh");
    assert.equal(edited?.operation, null);
    assert.notEqual(edited?.sha256, before?.sha256);
    put(beside, "verify-ssl.sh", launcherFor({ name: "migrate", script: "js" }));
    assert.equal(resolve().get("./scripts/verify-ssl.sh")?.operation, null, "the launcher of another operation");
  });

  it("that cannot be executed refuse the plan with a code of their own, and missing ones with theirs", (t) => {
    const { beside, put, resolve } = place(t);
    put(beside, "own.sh", "#!/bin/sh\n", 0o644);
    assert.equal(resolve().get("./scripts/own.sh")?.executable, false);
    const codes = compileText(RUNBOOK, { scripts: resolve() })
      .diagnostics.filter((one) => one.severity === "error")
      .map((one) => `${one.code} ${one.message}`);
    assert.ok(
      codes.some((text) => text.startsWith("PL210 `./scripts/own.sh` is not executable")),
      codes.join("\n"),
    );
    assert.ok(
      codes.some((text) => text.startsWith("PL201 There is no script `./scripts/nowhere.sh`")),
      codes.join("\n"),
    );
    chmodSync(path.join(beside, "own.sh"), 0o755);
    assert.equal(resolve().get("./scripts/own.sh")?.executable, true);
  });

  it("that are directories of that name are none", (t) => {
    const { beside, resolve } = place(t);
    mkdirSync(path.join(beside, "own.sh"));
    assert.equal(resolve().has("./scripts/own.sh"), false);
  });
});
