import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { LAUNCHERS } from "../../src/operations/launcher.ts";
import { VERSION } from "../../src/version.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe("the package that npm packs, installed somewhere else", () => {
  const project = mkdtempSync(path.join(tmpdir(), "sunny package-"));
  const modules = path.join(project, "node_modules");
  const installed = path.join(modules, "sunny");
  after(() => rmSync(project, { recursive: true, force: true }));

  function run(program: string, args: readonly string[], cwd = project): Ran {
    // The scripts are called without Sunny on the PATH, by whatever Node is first on it.
    const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`, SUNNY_BIN: "" };
    return spawnSync(program, args, { cwd, env, encoding: "utf8" });
  }

  before(() => {
    const packed = spawnSync("npm", ["pack", "--silent", "--pack-destination", project], {
      cwd: ROOT,
      encoding: "utf8",
    });
    assert.equal(packed.status, 0, packed.stderr);
    const archive = readdirSync(project).find((name) => name.endsWith(".tgz"));
    assert.ok(archive);
    // What `npm install` does with it, without a registry: the dependencies are the clone's.
    mkdirSync(installed, { recursive: true });
    const tar = run("tar", ["-xzf", path.join(project, archive), "--strip-components=1", "-C", installed]);
    assert.equal(tar.status, 0, tar.stderr);
    for (const name of readdirSync(path.join(ROOT, "node_modules"))) {
      if (!name.startsWith(".")) symlinkSync(path.join(ROOT, "node_modules", name), path.join(modules, name));
    }
    mkdirSync(path.join(modules, ".bin"));
    symlinkSync("../sunny/dist/bin/sunny.js", path.join(modules, ".bin", "sunny"));
    run("chmod", ["755", path.join(installed, "dist/bin/sunny.js")]);
  });

  const sunny = (...args: string[]): Ran => run(path.join(modules, ".bin", "sunny"), args);

  it("starts, and compiles a runbook", () => {
    const version = sunny("--version");
    assert.equal(version.stdout, `${VERSION}\n`, version.stderr);
    const linted = sunny("lint", path.join(ROOT, "examples/payments/RUNBOOK.md"));
    assert.equal(linted.status, 0, linted.stdout + linted.stderr);
  });

  it("brings every script, each of which finds the package that it is part of", () => {
    const scripts = path.join(installed, "scripts");
    assert.deepEqual(
      readdirSync(scripts).toSorted(),
      LAUNCHERS.map(({ name, script }) => `${name}.${script}`).toSorted(),
    );
    for (const name of ["verify-ssl.sh", "migrate.js"]) {
      const asked = run(path.join(scripts, name), ["--help"]);
      assert.match(asked.stdout + asked.stderr, /sunny run|CONFIG_/, name);
      assert.doesNotMatch(asked.stderr, /cannot (find|start)/, name);
    }
  });

  it("holds no test, and nothing but what it needs", () => {
    assert.deepEqual(readdirSync(installed).toSorted(), [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "dist",
      "package.json",
      "scripts",
    ]);
    const files = readdirSync(path.join(installed, "dist"), { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      files.filter((name) => /\.(test|contract)\.|(^|\/)testing(\/|\.)/.test(name)),
      [],
    );
  });
});
