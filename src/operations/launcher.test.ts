import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { isLauncher, launcherFor, LAUNCHERS, writeLaunchers } from "./launcher.ts";

const scripts = path.resolve(import.meta.dirname, "..", "..", "scripts");

function directory(t: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), "launcher-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A Sunny that prints what it was called with and exits with 3. */
function fakeSunny(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '#!/bin/sh\nprintf "%s|" "$0" "$@"\nexit 3\n');
  chmodSync(file, 0o755);
}

test("the scripts of the repository are, byte for byte, what the generator writes, and can be executed", () => {
  assert.equal(LAUNCHERS.length, 18);
  assert.deepEqual(
    readdirSync(scripts).toSorted(),
    LAUNCHERS.map(({ name, script }) => `${name}.${script}`).toSorted(),
  );
  for (const operation of LAUNCHERS) {
    const file = path.join(scripts, `${operation.name}.${operation.script}`);
    assert.equal(readFileSync(file, "utf8"), launcherFor(operation), file);
    assert.equal(statSync(file).mode & 0o777, 0o755, file);
    assert.ok(isLauncher(readFileSync(file), operation.name));
  }
});

test("a changed script, or one of another operation, is no launcher", () => {
  const text = launcherFor({ name: "migrate", script: "js" });
  assert.ok(!isLauncher(`${text}\n`, "migrate"));
  assert.ok(!isLauncher(text.replace("SUNNY_BIN", "OTHER_BIN"), "migrate"));
  assert.ok(!isLauncher(text, "rollback"));
  assert.ok(!isLauncher(text, "a name; rm -rf"));
});

for (const script of ["sh", "js"] as const) {
  test(`a .${script} launcher hands arguments and exit status through unchanged`, (t) => {
    const root = directory(t);
    const bin = path.join(root, "elsewhere", "sunny");
    fakeSunny(bin);
    const [file = ""] = writeLaunchers(root, [{ name: "rollback-db", script }]);
    const run = spawnSync(file, ["--version", "2.0.0", "a b", "$(touch x)", ""], {
      env: { ...process.env, SUNNY_BIN: bin },
      encoding: "utf8",
    });
    assert.equal(run.stdout, `${bin}|run|rollback-db|--|--version|2.0.0|a b|$(touch x)||`);
    assert.equal(run.status, 3);
  });

  test(`a .${script} launcher is followed to where it lies when it is called through links`, (t) => {
    const root = directory(t);
    fakeSunny(path.join(root, "project", "bin", "sunny"));
    mkdirSync(path.join(root, "project", "scripts"));
    mkdirSync(path.join(root, "a b"));
    const [file = ""] = writeLaunchers(path.join(root, "project", "scripts"), [{ name: "rollback", script }]);
    symlinkSync(file, path.join(root, "a b", "first"));
    symlinkSync("first", path.join(root, "a b", "second"));
    const { SUNNY_BIN: _, ...env } = process.env;
    const run = spawnSync(path.join(root, "a b", "second"), ["--version", "2.0.0"], { env, encoding: "utf8" });
    assert.match(run.stdout, /\|run\|rollback\|--\|--version\|2\.0\.0\|$/, run.stderr);
  });

  test(`a .${script} launcher looks beside itself, then in the project's modules, then in its own package, then on the PATH`, (t) => {
    const modules = directory(t);
    const root = path.join(modules, "sunny");
    mkdirSync(path.join(root, "scripts"), { recursive: true });
    const [file = ""] = writeLaunchers(path.join(root, "scripts"), [{ name: "verify-ssl", script }]);
    const node = path.dirname(process.execPath);
    const env = { PATH: `${path.join(root, "path")}:${node}:/usr/bin:/bin`, SUNNY_BIN: "" };
    const started = (): string => path.normalize(spawnSync(file, { env, encoding: "utf8" }).stdout.split("|")[0] ?? "");
    const missing = spawnSync(file, { env, encoding: "utf8" });
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /verify-ssl: cannot (find|start) sunny; .*SUNNY_BIN/);
    for (const place of ["path/sunny", "../.bin/sunny", "node_modules/.bin/sunny", "bin/sunny"]) {
      fakeSunny(path.join(root, place));
      assert.equal(started(), path.join(root, place));
    }
  });
}

test("a .js launcher runs as CommonJS and as an ES module", (t) => {
  for (const type of ["commonjs", "module"]) {
    const root = directory(t);
    fakeSunny(path.join(root, "sunny"));
    writeFileSync(path.join(root, "package.json"), JSON.stringify({ type }));
    const [file = ""] = writeLaunchers(root, [{ name: "migrate", script: "js" }]);
    const env = { ...process.env, SUNNY_BIN: path.join(root, "sunny") };
    const run = spawnSync(process.execPath, [file, "--env", "production"], { env, encoding: "utf8" });
    assert.match(run.stdout, /\|run\|migrate\|--\|--env\|production\|$/, type);
    assert.equal(run.status, 3);
  }
});
