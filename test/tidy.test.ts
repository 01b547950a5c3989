/** The rules of the source tree as tests. Each message says what to do about it. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { ERROR_CODES } from "../src/error-codes.ts";
import { errorsPage } from "../tools/docs.ts";
import {
  circleIn,
  codeOf,
  folderOf,
  importsOf,
  listing,
  referencesOf,
  ROOT,
  sourceFiles,
  type SourceFile,
  valueImportsOf,
} from "./tidy.support.ts";

const files = sourceFiles();
const product = files.filter((file) => file.path.startsWith("src/") && !file.isTest);

/** Imports run down this list only. */
const FLOORS = [
  ["cli", "server"],
  ["main.ts"],
  ["wiring"],
  ["rehearsal"],
  ["deployment"],
  ["adapters"],
  ["plan"],
  ["operations"],
  ["operation.ts"],
  ["notify"],
  ["gate"],
  ["engine"],
  ["system"],
  ["release"],
  ["runbook"],
  ["analysis"],
  ["audit"],
  [
    "errors.ts",
    "clock.ts",
    "secret.ts",
    "secret-shapes.ts",
    "json.ts",
    "error-codes.ts",
    "error-remedies.ts",
    "version.ts",
    "node-http.ts",
    "directory.ts",
  ],
];

const floorOf = (folder: string): number => FLOORS.findIndex((floor) => floor.includes(folder));

const adapterOf = (file: string): string | undefined => /^src\/adapters\/([^/]+)/.exec(file)?.[1];

function targetOf(file: SourceFile, name: string): string | null {
  return name.startsWith(".") ? path.posix.normalize(path.posix.join(path.posix.dirname(file.path), name)) : null;
}

function offences(some: readonly SourceFile[], find: (file: SourceFile) => readonly string[]): string[] {
  return some.flatMap((file) => find(file).map((what) => `${file.path}: ${what}`));
}

describe("imports", () => {
  it("every folder of src/ has its place in the list", () => {
    const unknown = [...new Set(product.map((file) => folderOf(file.path)))].filter((folder) => floorOf(folder) < 0);
    assert.deepEqual(unknown, [], "add the folder to FLOORS in test/tidy.test.ts, and to ARCHITECTURE.md");
  });

  it("run down the list only", () => {
    const wrong = offences(product, (file) =>
      importsOf(file).filter((name) => {
        const target = targetOf(file, name);
        if (target === null || !target.startsWith("src/")) return false;
        const [from, to] = [folderOf(file.path), folderOf(target)];
        return from !== to && floorOf(to) <= floorOf(from) && floorOf(from) < FLOORS.length - 1;
      }),
    );
    const advice = "declare a port beside the code that needs it, and pass the implementation in from main.ts";
    assert.equal(wrong.length, 0, `these imports run up; ${advice}:${listing(wrong)}`);
  });

  it("go in no circle, so that every file is whole before another uses it", () => {
    const needs = (file: SourceFile): string[] => valueImportsOf(file).flatMap((name) => targetOf(file, name) ?? []);
    const circle = circleIn(new Map(files.map((file) => [file.path, needs(file)])));
    assert.equal(circle, null, `move what both need to a file below them: ${circle?.join(" → ")}`);
  });

  it("of one adapter never reach into another", () => {
    const adapters = product.filter((file) => adapterOf(file.path) !== undefined);
    const wrong = offences(adapters, (file) =>
      importsOf(file).filter((name) => {
        const other = adapterOf(targetOf(file, name) ?? "");
        return other !== undefined && other !== adapterOf(file.path);
      }),
    );
    assert.equal(wrong.length, 0, `adapters do not know each other; join them in main.ts:${listing(wrong)}`);
  });

  it("of runbook/ and plan/ do no input and no output", () => {
    const pure = product.filter((file) => ["runbook", "plan"].includes(folderOf(file.path)));
    const io =
      /^(node:)?(fs|fs\/promises|net|http|https|http2|tls|dgram|dns|child_process|worker_threads|sqlite|process|os)$/;
    const wrong = offences(pure, (file) => importsOf(file).filter((name) => io.test(name)));
    assert.equal(wrong.length, 0, `compiling is pure; let the caller read and pass the text in:${listing(wrong)}`);
  });

  it("name files with their extension, and no file only passes others on", () => {
    const wrong = offences(files, (file) => {
      const relative = importsOf(file).filter((name) => name.startsWith(".") && !/\.(ts|js|json)$/.test(name));
      const barrel = /^export \* from/m.test(file.code) || /(^|\/)index\.ts$/.test(file.path) ? ["is a barrel"] : [];
      return [...relative, ...barrel];
    });
    assert.equal(wrong.length, 0, `import from the file itself, with .ts:${listing(wrong)}`);
  });
});

describe("the process", () => {
  it("is imported as a whole, as bin/sources.js hands it on", () => {
    const parts = /^import (?!process from).* from "node:process"/;
    const wrong = offences(product, (file) => file.lines.filter((line) => parts.test(line)));
    assert.equal(wrong.length, 0, `write \`import process from "node:process"\`:${listing(wrong)}`);
  });
});

describe("time and chance", () => {
  it("come from src/clock.ts only, so that everything runs in a simulated world", () => {
    const forbidden =
      /(?<![.\w])(?:Date\.now|new Date\(\)|Math\.random|performance\.now|process\.hrtime|setTimeout|setInterval)\b\(?|AbortSignal\.timeout\b/g;
    const wrong = offences(
      product.filter((file) => file.path !== "src/clock.ts"),
      (file) => [...file.code.matchAll(forbidden)].map((match) => match[0]),
    );
    assert.equal(wrong.length, 0, `take a Clock as an argument instead:${listing(wrong)}`);
  });
});

describe("files", () => {
  it("have at most 400 lines", () => {
    const long = files
      .filter((file) => file.lines.length > 401)
      .map((file) => `${file.path}: ${file.lines.length - 1} lines`);
    assert.equal(long.length, 0, `split them by what they are about:${listing(long)}`);
  });

  it("are named in kebab-case after what they hold", () => {
    const wrong = files
      .map((file) => file.path)
      .filter((file) => !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.[a-z0-9-]+)*\.ts$/.test(file));
    assert.deepEqual(wrong, []);
  });

  it(
    "are all used: by bin/sunny.ts, a test, a benchmark, a tool or the sample system",
    { skip: skipUnless("bin/sunny.ts") },
    () => {
      const byPath = new Map(files.map((file) => [file.path, file]));
      const entries = files.filter((file) => !file.path.startsWith("src/") || file.path.endsWith(".test.ts"));
      const seen = new Set<string>();
      const queue = entries.map((file) => file.path);
      for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
        const file = byPath.get(at);
        if (file === undefined || seen.has(at)) continue;
        seen.add(at);
        queue.push(...referencesOf(file));
      }
      const dead = files.map((file) => file.path).filter((file) => !seen.has(file));
      assert.equal(dead.length, 0, `nothing refers to these; use or delete them:${listing(dead)}`);
    },
  );

  it("leave nothing for later in their comments", () => {
    const wrong = offences(files, (file) => {
      if (file.path.startsWith("test/tidy")) return [];
      const comments = file.text.match(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g) ?? [];
      return comments.filter((comment) => /\b(TODO|FIXME|HACK|XXX)\b/.test(comment)).map((comment) => comment.trim());
    });
    assert.equal(wrong.length, 0, `do it, or describe the limit as it is:${listing(wrong)}`);
  });
});

describe("exports", () => {
  it("each say what they are for", () => {
    const wrong = offences(product, (file) =>
      file.lines.flatMap((line, index) => undocumented(file.lines, line, index)),
    );
    const advice = "put /** one sentence; units, bounds, defaults, @throws */ directly above";
    assert.equal(wrong.length, 0, `${wrong.length} without a docstring; ${advice}:${listing(wrong)}`);
  });
});

/** Functions, classes and constants need a docstring; an interface may have its members documented instead. */
function undocumented(lines: readonly string[], line: string, index: number): string[] {
  const match = /^export (?:async )?(?:abstract )?(function\*?|class|const|interface) (\w+)/.exec(line);
  const [, kind, name] = match ?? [];
  if (kind === undefined || name === undefined) return [];
  // What a verb is for stands in the table of verbs, which its help shows.
  if (line.startsWith("export const configure: Configure")) return [];
  const before = lines[index - 1] ?? "";
  if (before.trimEnd().endsWith("*/") || before.startsWith(`export function ${name}`)) return [];
  if (kind === "interface") {
    const body = lines.slice(index, lines.indexOf("}", index));
    if (body.some((member) => member.trimStart().startsWith("/**"))) return [];
  }
  return [`${index + 1} ${kind} ${name}`];
}

describe("error codes", () => {
  const catalogue = Object.keys(ERROR_CODES);
  // Without comments, but with strings: scripts for hosts hold codes as well.
  const sources = files
    .filter((file) => file.path.startsWith("src/") && !/error-(?:codes|remedies)\.ts$|\.test\.ts$/.test(file.path))
    .map((file) => file.text.replaceAll(/\/\*[\s\S]*?\*\//g, ""));
  const used = new Set(sources.flatMap((text) => text.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []));

  it("are all used", () => {
    const unused = catalogue.filter((code) => !used.has(code));
    assert.equal(unused.length, 0, `remove these from src/error-codes.ts, or throw them:${listing(unused)}`);
  });

  it("are all in the catalogue, also those that steps throw", () => {
    const thrown = /new (?:SunnyError|TerminalError|RetryableError)\(\s*"([A-Z0-9_]+)"/g;
    const wrong = offences(product, (file) =>
      [...file.text.matchAll(thrown)].map((match) => match[1] ?? "").filter((code) => !catalogue.includes(code)),
    );
    assert.equal(wrong.length, 0, `add a line with its meaning to src/error-codes.ts:${listing(wrong)}`);
  });

  it("are explained in docs/reference/errors.md, which is generated", () => {
    const source = readFileSync(path.join(ROOT, "src/error-codes.ts"), "utf8");
    const page = path.join(ROOT, "docs/reference/errors.md");
    const written = existsSync(page) ? readFileSync(page, "utf8") : "";
    assert.equal(
      written === errorsPage(source),
      true,
      "run `bin/node tools/docs.ts` and commit docs/reference/errors.md",
    );
    for (const code of catalogue) assert.ok(written.includes(`\`${code}\``), code);
  });
});

describe("these rules themselves", () => {
  it("look at code, not at prose", () => {
    const source = [
      'const a = "Date.now()"; // Date.now()',
      "/* Math.random() */ f(`Date.now() ${setTimeout(g)}`);",
    ].join("\n");
    const code = codeOf(source);
    assert.ok(!code.includes("Date.now") && !code.includes("Math.random"));
    assert.ok(code.includes("setTimeout(g)"));
    assert.equal(code.split("\n").length, 2);
  });

  it("see static, dynamic and side-effect imports", () => {
    const text =
      'import {\n  a,\n} from "./a.ts";\nimport "./b.ts";\nexport { c } from "./c.ts";\nawait import("./d.ts");\n';
    const names = importsOf({ path: "src/x.ts", text, lines: [], code: "", isTest: false });
    assert.deepEqual(names, ["./a.ts", "./b.ts", "./c.ts", "./d.ts"]);
  });

  it("tell what is needed at run time from types, and find a circle wherever it begins", () => {
    const text =
      'import type { A } from "./a.ts";\nimport { type B } from "./b.ts";\nimport { type C, c } from "./c.ts";\nimport d from "./d.ts";\n';
    const names = valueImportsOf({ path: "src/x.ts", text, lines: [], code: "", isTest: false });
    assert.deepEqual(names, ["./c.ts", "./d.ts"]);
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["c", "d"]],
      ["c", []],
      ["d", ["b"]],
    ]);
    assert.deepEqual(circleIn(graph), ["b", "d", "b"]);
    assert.equal(circleIn(new Map([["a", ["b", "b"]]])), null);
  });

  it("look at the whole project", () => {
    assert.ok(product.length > 100, `${product.length} files`);
    assert.ok(new Set(product.map((file) => folderOf(file.path))).size > 10);
  });
});

function skipUnless(file: string): string | false {
  return existsSync(path.join(ROOT, file)) ? false : `${file} does not exist yet`;
}
