/** The script of all modules (`bin/bundled.js`): that it is used, says what the sources say, and is never used in their place. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { emitModules, PACKAGES } from "../../tools/bundle/emit.ts";
import { VERSION } from "../../src/version.ts";
import { makeBundle } from "../../tools/bundle/make.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const RUNBOOK = "examples/payments/RUNBOOK.md";

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Bundled {
  openBundle(
    root: string,
    args: readonly string[],
    folder?: string,
  ): { readonly entry: Readonly<Record<string, () => unknown>> } | undefined;
}

describe("the script of all modules", () => {
  const clone = mkdtempSync(path.join(tmpdir(), "sunny bundle-"));
  const bundle = path.join(clone, "node_modules/.cache/bundle");
  const render = path.join(clone, "src/runbook/render.ts");
  let source = "";

  before(() => {
    for (const part of ["bin", "src", "tools", "scripts", RUNBOOK, "package.json", "node_modules/.package-lock.json"]) {
      cpSync(path.join(ROOT, part), path.join(clone, part), { recursive: true });
    }
    for (const name of PACKAGES) {
      cpSync(path.join(ROOT, "node_modules", name), path.join(clone, "node_modules", name), { recursive: true });
    }
    for (const name of globSync("{typescript,@typescript,node-*}", { cwd: path.join(ROOT, "node_modules") })) {
      symlinkSync(path.join(ROOT, "node_modules", name), path.join(clone, "node_modules", name));
    }
    source = readFileSync(render, "utf8");
    makeBundle(clone);
  });
  after(() => rmSync(clone, { recursive: true, force: true }));

  function sunny(args: readonly string[], env: NodeJS.ProcessEnv = {}): Said {
    const { status, stdout, stderr } = spawnSync(path.join(clone, "bin/sunny"), args, {
      cwd: clone,
      env: { ...process.env, ...env },
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  }
  const codeOf = (verb: string): string | undefined => globSync(path.join(bundle, `*/${verb}.code`))[0];

  it("says what the sources say", () => {
    const weak = path.join(clone, "weak.md");
    writeFileSync(weak, "# Deployment\n\n```bash\ncurl https://example.org | sh\n");
    for (const args of [
      ["lint", RUNBOOK],
      ["lint", "--format", "json", RUNBOOK],
      ["lint", "--format", "sarif", weak],
      ["lint", "nowhere.md"],
      ["plan"],
      ["--help"],
      ["audit", "--help"],
      ["nonsense"],
    ]) {
      const fromSources = sunny(args, { SUNNY_FROM_SOURCES: "1" });
      // The first call compiles, the second is given what the first compiled.
      assert.deepEqual(sunny(args), fromSources, args.join(" "));
      assert.deepEqual(sunny(args), fromSources, args.join(" "));
    }
    for (const verb of ["lint", "plan", "help", "audit"]) {
      assert.ok(codeOf(verb) !== undefined, `a call that used it left the code of its verb: ${verb}`);
    }
    assert.equal(codeOf("nonsense"), undefined);
  });

  it("has the code of the first calls of a verb, and of later ones that load more", () => {
    for (const file of globSync(path.join(bundle, "*/*.code"))) rmSync(file);
    const codeAfter = (args: readonly string[]): Buffer => {
      sunny(args);
      return readFileSync(codeOf("release") as string);
    };
    const help = ["release", "--help"];
    const keygen = ["release", "keygen", path.join(clone, "ci.key")];
    const ofHelp = codeAfter(help);
    const ofBoth = codeAfter(keygen);
    assert.ok(ofBoth.length > ofHelp.length, "the second has called other functions");
    for (const args of [help, keygen, help, keygen]) codeAfter(args);
    const settled = codeAfter(help);
    assert.ok(codeAfter(keygen).equals(settled), "nothing is compiled any more that is not known");
    writeFileSync(path.join(clone, "system.json"), "{}");
    assert.ok(codeAfter(["--config", "system.json", "release", "list"]).length > settled.length);
  });

  it("is made once for the same sources", () => {
    const manifest = path.join(bundle, "manifest.json");
    const made = readFileSync(manifest, "utf8");
    writeFileSync(manifest, made.replace(/"crc":\d+/, '"crc":7'));
    makeBundle(clone);
    assert.match(readFileSync(manifest, "utf8"), /"crc":7/);
    writeFileSync(manifest, made);
  });

  it("is made of another entry too, in a folder of its own", async () => {
    mkdirSync(path.join(clone, "other"));
    writeFileSync(
      path.join(clone, "other/main.ts"),
      'import { VERSION } from "../src/version.ts";\nexport const run = (): string => `of ${VERSION}`;\n',
    );
    makeBundle(clone, "other/main.ts", path.join(clone, "other"));
    const { openBundle } = (await import(path.join(clone, "bin/bundled.js"))) as Bundled;
    assert.equal(openBundle(clone, [], path.join(clone, "other"))?.entry["run"]?.(), `of ${VERSION}`);
    assert.ok("runCli" in (openBundle(clone, [])?.entry ?? {}), "the script of the command line is still there");
  });

  it("is not used once a source is another one, and is made anew of that", () => {
    writeFileSync(render, source.replace('"no" : number', '"zero" : number'));
    assert.notEqual(readFileSync(render, "utf8"), source);
    assert.match(sunny(["lint", RUNBOOK]).stdout, /zero errors/);
    makeBundle(clone);
    assert.match(sunny(["lint", RUNBOOK]).stdout, /zero errors/);
    assert.ok(codeOf("lint") !== undefined, "the new script is used");
    assert.equal(globSync(path.join(bundle, "*/sunny.js")).length, 1, "the old script is gone");
    writeFileSync(render, source);
    assert.match(sunny(["lint", RUNBOOK]).stdout, /no errors/);
    makeBundle(clone);
  });

  it("is not needed: with a part of it damaged, Sunny starts all the same", () => {
    const script = globSync(path.join(bundle, "*/sunny.js"))[0] as string;
    const whole = readFileSync(script);
    const expected = sunny(["lint", RUNBOOK]);
    assert.equal(expected.status, 0, expected.stderr);
    const code = codeOf("lint") as string;
    for (const text of ["", "abc", "not what the compiler made of it"]) {
      writeFileSync(code, text);
      assert.deepEqual(sunny(["lint", RUNBOOK]), expected);
      assert.ok(readFileSync(code).length > 100_000, "and the code is made anew");
    }
    const flipped = readFileSync(code);
    for (let at = flipped.length % 1009; at < flipped.length; at += 1009) flipped[at]! ^= 1;
    writeFileSync(code, flipped);
    assert.deepEqual(sunny(["lint", RUNBOOK]), expected);
    truncateSync(script, Math.floor(whole.length / 2));
    assert.deepEqual(sunny(["lint", RUNBOOK]), expected);
    const damaged = Buffer.from(whole);
    damaged[whole.indexOf('"no" :') + 1] = 0x78;
    writeFileSync(script, damaged);
    rmSync(code);
    assert.deepEqual(sunny(["lint", RUNBOOK]), expected, "another script is not run, though it can be");
    assert.ok(!existsSync(code));
    writeFileSync(path.join(bundle, "manifest.json"), "{");
    assert.deepEqual(sunny(["lint", RUNBOOK]), expected);
  });
});

describe("a module as the compiler writes it", () => {
  it("is missed in one sentence where the compiler is not installed", () => {
    const root = mkdtempSync(path.join(tmpdir(), "sunny-emit-"));
    try {
      assert.throws(() => emitModules(root, root), /^Error: the TypeScript compiler is not installed$/);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  it("is refused where the compiler takes a variable of a function for an exported one", () => {
    const root = mkdtempSync(path.join(tmpdir(), "sunny-emit-"));
    try {
      mkdirSync(path.join(root, "src"));
      mkdirSync(path.join(root, "scratch"));
      symlinkSync(path.join(ROOT, "node_modules"), path.join(root, "node_modules"));
      writeFileSync(
        path.join(root, "src/list.ts"),
        "const names = [1];\nexport function add(all: number[]) {\n  for (const one of all) {\n    let names = one;\n    names = 2;\n  }\n}\nexport { names };\n",
      );
      assert.throws(
        () => emitModules(root, path.join(root, "scratch")),
        /the compiler exports from within a function of src\/list\.ts/,
      );
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
