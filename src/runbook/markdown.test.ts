import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { readMarkdown } from "./markdown.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const WHOLE = Number.MAX_SAFE_INTEGER;

describe("readMarkdown", () => {
  it("reads tasks, nested lists, indented fences and tables with empty cells", () => {
    const text =
      "1. [x] **done**\n   - inner\n\n     ```sh\n     ./a\n       ./b\n     ```\n\n| a | b |\n|---|---|\n| 1 |   |\n";
    assert.deepEqual(readMarkdown(text).blocks, [
      {
        kind: "list",
        ordered: true,
        at: 0,
        end: 67,
        items: [
          {
            ordered: true,
            checked: true,
            text: "done",
            at: 7,
            end: 15,
            blocks: [
              {
                kind: "list",
                ordered: false,
                at: 19,
                end: 67,
                items: [
                  {
                    ordered: false,
                    text: "inner",
                    at: 21,
                    end: 26,
                    blocks: [
                      {
                        kind: "code",
                        language: "sh",
                        at: 33,
                        end: 67,
                        closed: true,
                        lines: [
                          { text: "./a", at: 44 },
                          { text: "  ./b", at: 53 },
                        ],
                      },
                    ],
                  },
                ],
              },
            ],
          },
        ],
      },
      {
        kind: "table",
        at: 69,
        end: 98,
        header: [
          { text: "a", at: 71, end: 72 },
          { text: "b", at: 75, end: 76 },
        ],
        rows: [
          [
            { text: "1", at: 91, end: 92 },
            { text: "", at: 94, end: 94 },
          ],
        ],
      },
    ]);
  });

  it("takes marks, links, escapes and comments out of text", () => {
    const [heading, comment] = readMarkdown("## A *b* `c` [d](http://e) \\* &lt; <!-- sunny: phase -->\n").blocks;
    assert.deepEqual(heading, { kind: "heading", level: 2, text: "A b c d * <", at: 3, end: 56 });
    assert.deepEqual(comment, { kind: "comment", text: "sunny: phase", at: 35, end: 56 });
  });

  it("says where it stopped because of nesting", () => {
    assert.equal(readMarkdown(`text\n\n${"> ".repeat(70)}x`).tooDeepAt, 6 + 64 * 2);
  });

  it("reads the same whole and in pieces", () => {
    for (const file of [...globSync("test/fixtures/runbooks/**/*.md", { cwd: ROOT }), "examples/payments/RUNBOOK.md"]) {
      const text = readFileSync(path.join(ROOT, file), "utf8");
      for (const length of [1, 100, 1000])
        assert.deepEqual(readMarkdown(text, length), readMarkdown(text, WHOLE), file);
    }
  });

  it("reads the same whole and in pieces whatever is open where a heading comes", () => {
    const lines = fc.constantFrom(
      "# One",
      "## Two",
      "   # Three",
      "#\tFour",
      "text",
      "",
      "- item",
      "  - inner",
      "1. first",
      "> quote",
      "```sh",
      "```",
      "~~~~",
      "  ```",
      "   # in an item",
      "<div>",
      "</div>",
      "<pre>",
      "</pre>",
      "<!-- a",
      "b -->",
      "<!-- c -->",
      "<?php",
      "?>",
      "<script>",
      "</script>",
      "    code",
      "| a | b |",
      "|---|---|",
      "===",
      "---",
      "[x]: http://y",
      "<![CDATA[",
      "]]>",
      "<!DOCTYPE x",
      ">",
      "a\\",
      "`open",
      "**b",
    );
    fc.assert(
      fc.property(fc.array(lines, { maxLength: 40 }), (parts) => {
        const text = parts.join("\n");
        assert.deepEqual(readMarkdown(text, 1), readMarkdown(text, WHOLE));
      }),
      { numRuns: 3000, seed: 20260103 },
    );
  });
});
