import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";

const ROOT = path.resolve(import.meta.dirname, "..");

/** Every page that people read. */
const PAGES = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "examples/payments/README.md",
  ...readdirSync(path.join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.join("docs", name)),
];

const textOf = (page: string): string => readFileSync(path.join(ROOT, page), "utf8");

/** As GitHub names the anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}

function anchors(text: string): Set<string> {
  return new Set([...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading)));
}

/** The options that `sunny VERB` takes, by the words of the verb, from the generated part of the page about verbs. */
function verbOptions(): Map<string, Set<string>> {
  const options = new Map<string, Set<string>>();
  let current = new Set<string>();
  for (const line of textOf("docs/reference/cli.md").split("\n")) {
    const [, verb] = /^#{3,4} `sunny ([a-z]+(?: [a-z]+(?:-[a-z]+)*)*)/.exec(line) ?? [];
    if (verb !== undefined) options.set(verb.trim(), (current = new Set()));
    for (const [, option = ""] of line.startsWith("| `") ? line.matchAll(/(--[a-z][a-z-]*)/g) : []) current.add(option);
    for (const [, option = ""] of verb === undefined ? [] : line.matchAll(/(--[a-z][a-z-]*)/g)) current.add(option);
  }
  return options;
}

const GLOBAL = new Set(["--config", "--as", "--by", "--json", "--no-color", "--help", "--version"]);

describe("the documentation", () => {
  it("links only to what is there", () => {
    const broken = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [file = "", anchor] = link.split("#", 2);
        const target = file === "" ? page : path.join(path.dirname(page), file);
        if (!existsSync(path.join(ROOT, target))) return [`${page}: ${link}`];
        return anchor === undefined || anchors(textOf(target)).has(anchor) ? [] : [`${page}: ${link}`];
      }),
    );
    assert.deepEqual(broken, []);
  });

  it("shows only verbs and options that there are", () => {
    const known = verbOptions();
    assert.ok(known.size > 20, `${known.size} verbs found`);
    const wrong = PAGES.flatMap((page) =>
      // A code span or an indented block; behind `--`, `&&`, `|`, `#` and `;` begins something else.
      [...textOf(page).matchAll(/(?:`|^ {4,})(?:\.\/bin\/)?sunny ([a-z][^`\n]*)/gm)].flatMap(([, call = ""]) => {
        const words = (call.split(/ -- | [|#&;>]|,? or `/)[0] ?? "").trim().split(/\s+/);
        const verb = [words.slice(0, 2).join(" "), words[0] ?? ""].find((one) => known.has(one));
        if (verb === undefined) return /^[a-z]+$/.test(words[0] ?? "") ? [`${page}: sunny ${call}`] : [];
        // `audit` and `release` do nothing by themselves.
        if (["audit", "release"].includes(verb) && words[1] !== undefined) return [`${page}: sunny ${call}`];
        const options = words.flatMap((word) => /^\[?(--[a-z][a-z-]*)/.exec(word)?.[1] ?? []);
        const unknown = options.filter((one) => !GLOBAL.has(one) && known.get(verb)?.has(one) !== true);
        return unknown.map((one) => `${page}: sunny ${call}: ${one}`);
      }),
    );
    assert.deepEqual(wrong, []);
  });

  it("names only scripts of npm that there are", () => {
    const { scripts } = JSON.parse(textOf("package.json")) as { scripts: Record<string, string> };
    const named = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/npm run ([a-z:]+)/g)].map(([, name = ""]) => [page, name] as const),
    );
    assert.ok(named.length > 5);
    assert.deepEqual(
      named.filter(([, name]) => scripts[name] === undefined),
      [],
    );
  });
});
