import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { MODELS, NOW } from "../../../test/golden/view-models.ts";
import { bar, sparkline } from "./draw.ts";
import { duration, figure } from "./format.ts";
import { frame } from "./frame.ts";
import { cells, clean, cut, lineCells, wrap } from "./span.ts";
import { createTheme, detectTheme } from "./theme.ts";

const GOLDEN = path.resolve(import.meta.dirname, "../../../test/golden/view");
const plain = createTheme({ color: false, unicode: true });

/** Compares with the file of that name; `SUNNY_GOLDEN=update` writes it. */
function matchesGolden(name: string, text: string): void {
  const file = path.join(GOLDEN, `${name}.txt`);
  if (process.env["SUNNY_GOLDEN"] === "update") {
    mkdirSync(GOLDEN, { recursive: true });
    writeFileSync(file, text);
  }
  assert.equal(text, readFileSync(file, "utf8"), `differs from ${file}; SUNNY_GOLDEN=update rewrites it`);
}

describe("a frame", () => {
  for (const [name, model] of Object.entries(MODELS)) {
    for (const width of [80, 120]) {
      it(`of "${name}" is as drawn at ${width} columns`, () => {
        const lines = frame(model, { width, height: 44, now: NOW, theme: plain });
        matchesGolden(`${name}-${width}`, `${lines.join("\n")}\n`);
      });
    }
  }

  it("keeps state, what must be done and problems when there are only 15 lines", () => {
    const held = frame(MODELS["held"] ?? assert.fail(), { width: 80, height: 15, now: NOW, theme: plain });
    matchesGolden("held-80x15", `${held.join("\n")}\n`);
    const breach = frame(MODELS["breach"] ?? assert.fail(), { width: 80, height: 15, now: NOW, theme: plain });
    assert.ok(breach.some((line) => line.includes("✗ Error rate > 1% on the canary")));
  });

  it("in ASCII has no other character, and without colour no escape sequence", () => {
    const theme = createTheme({ color: false, unicode: false });
    const lines = frame(MODELS["breach"] ?? assert.fail(), { width: 80, height: 44, now: NOW, theme });
    // oxlint-disable-next-line no-control-regex
    for (const line of lines) assert.match(line, /^[\x20-\x7e]*$/);
  });

  it("colours what is going on, what is bad, and nothing else loudly", () => {
    const theme = createTheme({ color: true, unicode: true });
    const lines = frame(MODELS["breach"] ?? assert.fail(), { width: 80, height: 44, now: NOW, theme });
    assert.equal(lines[0]?.includes("\u001B[31m● rolling back\u001B[0m"), true);
    assert.ok(lines.some((line) => line.includes("\u001B[38;5;214m●\u001B[0m\u001B[1m Immediate Rollback\u001B[0m")));
  });

  it("never is wider or higher than the terminal, whatever its size", () => {
    const sizes = fc.record({
      name: fc.constantFrom(...Object.keys(MODELS)),
      width: fc.integer({ min: 1, max: 200 }),
      height: fc.integer({ min: 1, max: 60 }),
      unicode: fc.boolean(),
    });
    fc.assert(
      fc.property(sizes, ({ name, width, height, unicode }) => {
        const theme = createTheme({ color: false, unicode });
        const lines = frame(MODELS[name] ?? assert.fail(), { width, height, now: NOW, theme });
        assert.ok(lines.length <= height);
        for (const line of lines) assert.ok(cells(line) <= Math.max(1, width - 1), `"${line}" at ${width}`);
      }),
      { numRuns: 200 },
    );
  });
});

describe("text of others", () => {
  it("cannot move the cursor, colour, ring, or turn the direction of text", () => {
    assert.equal(clean("\u001B[2J\u001B[31mred\u001B[0m\u001B]0;title\u0007 a\r\nb\u202Ec\u200B\u009B1m"), "red a bc");
  });

  it("is cut at cells, not at characters", () => {
    assert.equal(cells("支払い"), 6);
    assert.equal(cut("支払い", 5, "…"), "支払…");
    assert.equal(cut("支払い", 4, "…"), "支…");
    assert.equal(cells("e\u0301"), 1);
    assert.equal(cut("abc", 3, "…"), "abc");
  });
});

const filled = (part: number): number => bar(part, 10, plain.symbols)[0]?.text.length ?? -1;

describe("figures", () => {
  it("are short and have their unit", () => {
    const cases: [string, string][] = [
      [duration(0), "0 ms"],
      [duration(20), "20 ms"],
      [duration(249), "0.2 s"],
      [duration(9_949), "9.9 s"],
      [duration(9_950), "10 s"],
      [duration(59_700), "1 min 00 s"],
      [duration(3_599_400), "59 min 59 s"],
      [duration(3_660_000), "1 h 01 min"],
      [duration(100_000_000), "1 d 3 h"],
      [duration(-5), "0 ms"],
      [figure(0.049, "%"), "0.05 %"],
      [figure(31.04, "%"), "31.0 %"],
      [figure(500, "ms"), "500 ms"],
      [figure(null, "ms"), "?"],
      [figure(12, ""), "12"],
    ];
    for (const [shown, expected] of cases) assert.equal(shown, expected);
  });

  it("become sparks that stand at three quarters when they are at the limit, and red above it", () => {
    const { symbols } = plain;
    const line = sparkline([0, 0.5, 1, 1.01, null, 9], 1, 8, symbols);
    assert.equal(line.map((piece) => piece.text).join(""), "  ▁▄▇▇ █");
    assert.deepEqual(
      line.filter((piece) => piece.tone === "bad").map((piece) => piece.text),
      ["▇", "█"],
    );
    assert.equal(lineCells(sparkline([], 1, 8, symbols)), 8);
    assert.equal(lineCells(sparkline([0, 0, 0], null, 2, symbols)), 2);
  });

  it("become bars that are only full at the end and only empty at the start", () => {
    assert.deepEqual(
      [0, 0.001, 0.5, 0.999, 1, 7, Number.NaN].map((part) => filled(part)),
      [0, 1, 5, 9, 10, 10, 0],
    );
  });
});

describe("colour and characters", () => {
  const cases: [Record<string, string>, boolean, boolean, { color: boolean; unicode: boolean }][] = [
    [{ LANG: "en_US.UTF-8" }, true, false, { color: true, unicode: true }],
    [{ LANG: "en_US.UTF-8" }, false, false, { color: false, unicode: true }],
    [{ LANG: "C.utf8", NO_COLOR: "1" }, true, false, { color: false, unicode: true }],
    [{ LC_ALL: "C", LANG: "C.UTF-8", NO_COLOR: "" }, true, false, { color: true, unicode: false }],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, false, false, { color: true, unicode: false }],
    [{ FORCE_COLOR: "0" }, true, false, { color: false, unicode: false }],
    [{ FORCE_COLOR: "1" }, true, true, { color: false, unicode: false }],
    [{ TERM: "dumb" }, true, false, { color: false, unicode: false }],
  ];
  for (const [env, isTTY, noColor, expected] of cases) {
    it(`${JSON.stringify(env)}${isTTY ? " on a terminal" : ""}${noColor ? " with --no-color" : ""}`, () => {
      assert.deepEqual(detectTheme({ env, isTTY, noColor }), expected);
    });
  }
});

describe("wrapped text", () => {
  it("breaks at spaces, cuts what is too much, and breaks a word only when it must", () => {
    assert.deepEqual(wrap("one two three", 7, 3, "…"), ["one two", "three"]);
    assert.deepEqual(wrap("one two three four five", 7, 2, "…"), ["one two", "three …"]);
    assert.deepEqual(wrap("unbreakable", 4, 3, "…"), ["unbr", "eaka", "ble"]);
    assert.deepEqual(wrap("", 7, 2, "…"), []);
  });
});
