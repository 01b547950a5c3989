import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { assertEventLines, type Ended, ROOT, start } from "../support/e2e/sunny.ts";
import type { SystemConfig } from "../../src/system/schema.ts";

/** Every refusal: status 1, an error with code and remedy for machines and people, and nothing that was touched. */
function assertRefused(ended: Ended, code: string, ...said: RegExp[]): void {
  const told = `${ended.stdout}\n${ended.stderr}`;
  assertEventLines(ended);
  assert.equal(ended.status, 1, told);
  const error = ended.events.find((event) => event["event"] === "error");
  assert.equal(error?.["code"], code, told);
  assert.ok(String(error?.["hint"] ?? "").length > 0, `no remedy: ${told}`);
  assert.match(ended.stderr, new RegExp(`^${code}  `, "m"));
  for (const text of said) assert.match(ended.stderr, text);
}

describe("what is refused before anything is touched", () => {
  let system: DemoSystem;
  const at = (...parts: string[]): string => path.join(system.directory, ...parts);

  before(async () => {
    // One host is enough for what is refused; such a system has to say that nothing need serve meanwhile.
    const alone = (config: SystemConfig): SystemConfig => ({
      ...config,
      rollout: { ...config.rollout, minServing: 0 },
    });
    const releases = [{ variant: "good", version: "2.1.0" }] as const;
    system = await startDemoSystem({ releases, hosts: 1, rate: 20, config: alone });
  });
  after(async () => {
    assert.deepEqual(await system.versions(), ["2.0.0"], "nothing was touched");
    await system.stop();
  });

  /** Makes a plan, changes something, tries to carry the plan out, and puts back what was changed. */
  async function deployAfter(change: () => void, undo: () => void): Promise<Ended> {
    const planned = await system.sunny(["plan", "--release", "2.1.0", "--out", at("plan.json")]);
    assert.equal(planned.status, 0, planned.stderr);
    assertEventLines(planned);
    change();
    try {
      return await system.sunny(["deploy", "--plan", at("plan.json")]);
    } finally {
      undo();
    }
  }

  it("a migration of another environment, with where to find the right one", async () => {
    const ended = await system.sunny(["run", "migrate", "--", "--env", "staging"]);
    assertRefused(ended, "ENVIRONMENT_MISMATCH", /staging.*production.*nothing was migrated/, /--config FILE/);
  });

  describe("a frozen plan", () => {
    it("when the configuration has changed since, and which key of it", async () => {
      const before = readFileSync(system.configFile);
      const ended = await deployAfter(
        () => system.changeConfig((config) => ({ ...config, rollout: { ...config.rollout, drainTimeoutMs: 7_000 } })),
        () => writeFileSync(system.configFile, before),
      );
      assertRefused(ended, "PLAN_CHANGED", /drainTimeoutMs/);
    });

    it("when the runbook has changed since, and in what", async () => {
      const before = readFileSync(system.runbookFile);
      const ended = await deployAfter(
        () => writeFileSync(system.runbookFile, before.toString().replace("Error rate > 1%", "Error rate > 3%")),
        () => writeFileSync(system.runbookFile, before),
      );
      assertRefused(ended, "PLAN_CHANGED", /runbook|rules/);
    });

    it("when a script has changed since", async () => {
      const scripts = at("scripts");
      mkdirSync(scripts);
      for (const name of ["migrate.js", "deploy-production.js"]) {
        copyFileSync(path.join(ROOT, "scripts", name), path.join(scripts, name));
      }
      const ended = await deployAfter(
        () => appendFileSync(path.join(scripts, "migrate.js"), "// something of one's own\n"),
        () => rmSync(scripts, { recursive: true }),
      );
      assertRefused(ended, "PLAN_CHANGED", /migrate/);
    });

    it("when the release was packed anew with other contents", async () => {
      const { releasesDir, releaseKey } = system.environment;
      const kept = at("kept");
      mkdirSync(kept);
      const files = readdirSync(releasesDir).filter((name) => name.includes("2.1.0"));
      for (const name of files) copyFileSync(path.join(releasesDir, name), path.join(kept, name));
      const { buildReleases } = await import("../../examples/payments/releases/build-releases.ts");
      const other = at("other");
      await buildReleases({
        out: other,
        signers: [releaseKey.signer],
        releases: [{ variant: "slow", version: "2.1.0" }],
      });
      const ended = await deployAfter(
        () => {
          for (const name of readdirSync(other)) copyFileSync(path.join(other, name), path.join(releasesDir, name));
        },
        () => {
          for (const name of files) copyFileSync(path.join(kept, name), path.join(releasesDir, name));
        },
      );
      assertRefused(ended, "PLAN_CHANGED", /release/);
    });

    it("when its file was altered, or is no plan", async () => {
      const file = at("plan.json");
      const altered = await deployAfter(
        () => writeFileSync(file, readFileSync(file, "utf8").replace('"canaryHosts": 1', '"canaryHosts": 9')),
        () => {},
      );
      assertRefused(altered, "PLAN_INVALID");
      writeFileSync(file, "{");
      assertRefused(await system.sunny(["deploy", "--plan", file]), "PLAN_INVALID");
      assertRefused(await system.sunny(["deploy", "--plan", at("no-plan.json")]), "FILE_UNREADABLE");
    });
  });

  describe("a release", () => {
    const archive = (): string => {
      const name = readdirSync(system.environment.releasesDir).find((one) => /2\.1\.0.*\.tar\.gz$/.test(one));
      return path.join(system.environment.releasesDir, name ?? assert.fail("no archive"));
    };
    async function withAltered(file: string, change: (bytes: Buffer) => Buffer | null): Promise<Ended> {
      const before = readFileSync(file);
      const changed = change(before);
      if (changed === null) rmSync(file);
      else writeFileSync(file, changed);
      try {
        return await system.sunny(["deploy", "--release", "2.1.0"]);
      } finally {
        writeFileSync(file, before);
      }
    }

    it("whose archive was altered", async () => {
      const ended = await withAltered(archive(), (bytes) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(changed.length - 20) ^ 1, changed.length - 20);
        return changed;
      });
      assertRefused(ended, "RELEASE_ARCHIVE_ALTERED", /2\.1\.0/);
    });

    it("whose archive holds a path that leads out of it, also when it is signed", async () => {
      const { releaseKey } = system.environment;
      const folder = at("evil");
      mkdirSync(folder);
      const file = path.join(folder, path.basename(archive()));
      const tar = gunzipSync(readFileSync(archive()));
      writeFileSync(file, gzipSync(withPath(tar, "../evil.js")));
      const verified = await system.sunny(["release", "verify", file, "--key", releaseKey.verifier]);
      assert.equal(verified.status, 1, verified.stderr);
      const ended = await withAltered(archive(), () => readFileSync(file));
      assert.equal(ended.status, 1, ended.stderr);
      assert.match(ended.stderr, /RELEASE_/);
    });

    it("that nobody signed, or whose signature is that of a stranger", async () => {
      const manifest = archive().replace(/\.tar\.gz$/, ".release");
      const unsigned = await withAltered(manifest, (bytes) => {
        const text = bytes.toString();
        return Buffer.from(text.slice(0, text.indexOf("\n\n") + 1));
      });
      assertRefused(unsigned, "RELEASE_UNSIGNED");
      const missing = await withAltered(manifest, () => null);
      assert.equal(missing.status, 1);
      assert.match(missing.stderr, /RELEASE_/);
    });

    it("that is not in the store, with those that are", async () => {
      assertRefused(await system.sunny(["deploy", "--release", "9.9.9"]), "RELEASE_NOT_FOUND", /2\.1\.0/);
    });
  });

  describe("a configuration", () => {
    it("with a wrong key, by its path and the key that was meant", async () => {
      const before = readFileSync(system.configFile);
      const text = before.toString().replace('"drainTimeoutMs"', '"drainTimeoutMS"');
      assert.notEqual(text, before.toString());
      writeFileSync(system.configFile, text);
      try {
        assertRefused(
          await system.sunny(["deploy", "--release", "2.1.0"]),
          "CONFIG_INVALID",
          /rollout\.drainTimeoutMS/,
          /drainTimeoutMs/,
        );
      } finally {
        writeFileSync(system.configFile, before);
      }
    });
  });

  describe("a runbook, with code, line and remedy,", () => {
    const bare = readFileSync(path.join(import.meta.dirname, "../support/e2e/runbooks/bare.md"), "utf8");
    const wrong: readonly [string, string][] = [
      ["with an unresolved placeholder", bare.replace("--env production", "--env <database-host>")],
      ["with an unknown script", bare.replace("migrate.js", "migrate-all.js")],
      ["with a threshold without unit", bare.replace("> 500 ms", "> 500")],
      ["with a window without zone", `${bare}\n## Maintenance windows\n\n- Sunday 01:00-03:00\n`],
      ["with a fence that is never closed", bare.replace("verify-rollback.sh\n```", "verify-rollback.sh\n")],
    ];
    for (const [what, text] of wrong) {
      it(what, async () => {
        assert.notEqual(text, bare);
        const file = at("WRONG.md");
        writeFileSync(file, text);
        const linted = await system.sunny(["lint", file]);
        assertEventLines(linted);
        assert.equal(linted.status, 1, linted.stderr);
        const errors = linted.events.filter((event) => event["severity"] === "error");
        assert.ok(errors.length > 0);
        for (const error of errors) {
          assert.match(String(error["code"]), /^[A-Z]{2}\d{3}$/);
          assert.ok(Number(error["line"]) > 0);
          assert.ok(String(error["remedy"]).length > 0);
        }
        const document = await system.sunny(["lint", file, "--format", "json"]);
        assert.equal(document.status, 1);
        const { diagnostics } = JSON.parse(document.stdout) as { diagnostics: readonly unknown[] };
        assert.ok(diagnostics.length > 0);
        const deployed = await system.sunny(["deploy", "--runbook", file, "--release", "2.1.0"]);
        assertRefused(deployed, "RUNBOOK_INVALID", /WRONG\.md:\d+/);
      });
    }
  });

  describe("a command line", () => {
    it("that is wrong, with status 2 and what was meant", async () => {
      for (const args of [
        ["deploi"],
        ["deploy", "--nope"],
        ["run", "verify-sl"],
        ["lint"],
        ["lint", "x", "--format", "x"],
      ]) {
        const ended = await system.sunny(args);
        assertEventLines(ended);
        assert.equal(ended.status, 2, `${args.join(" ")}: ${ended.stderr}`);
        assert.equal(ended.summary["error"], "USAGE");
      }
    });

    it("takes the options of every verb behind the parts of one as well", async () => {
      const options = ["--json", "--no-color", "--as", "operator", "--config", system.configFile];
      for (const [status, ...args] of [
        [0, "release", "list"],
        [0, "audit", "checkpoint"],
        [1, "audit", "export", "d-00000000", "--out", at("evidence")],
        [1, "traffic", "set", "web-9", "--state", "drain"],
      ] as const) {
        const ended = await start(path.join(ROOT, "bin/sunny"), [...args, ...options]).ended;
        assertEventLines(ended);
        assert.equal(ended.status, status, `${args.join(" ")}: ${ended.stderr}`);
        assert.equal(typeof ended.summary["event"], "string");
        assert.doesNotMatch(ended.stderr, /no option --|unknown option/);
      }
    });

    it("that asks for a deployment that does not exist", async () => {
      for (const verb of ["status", "resume", "abort", "pause", "logs", "watch"]) {
        assertRefused(await system.sunny([verb, "d-00000000"]), "RUN_UNKNOWN");
      }
    });
  });

  it("leaves no deployment behind", async () => {
    const status = await system.sunny(["status"]);
    assertEventLines(status);
    assert.equal(status.summary["occupant"], null);
    assert.equal(status.summary["runs"], 0, status.stderr);
  });
});

/** The first file of a tar archive under another path. */
function withPath(tar: Buffer, name: string): Buffer {
  const changed = Buffer.from(tar);
  changed.fill(0, 0, 100);
  changed.write(name, 0);
  changed.write("        ", 148);
  let sum = 0;
  for (const byte of changed.subarray(0, 512)) sum += byte;
  changed.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return changed;
}
