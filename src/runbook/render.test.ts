import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diagnostic } from "./diagnostic.ts";
import { parseRunbook } from "./parse.ts";
import { countLine, renderDiagnostics } from "./render.ts";

const text = "# T\n\n## Deploy\n\n```sh\n\t./x.sh <name>\n```\n";
const { diagnostics } = parseRunbook(text, "ops/RUN BOOK.md");
const placeholder = diagnostics.filter((one) => one.code === "RB201");
const context = { file: "ops/RUN BOOK.md", text };

describe("renderDiagnostics", () => {
  it("shows the line with a caret, the remedy and a line of counts", () => {
    assert.equal(
      renderDiagnostics(placeholder, context, "text"),
      [
        "error[RB201]: Nothing says what `<name>` stands for.",
        " --> ops/RUN BOOK.md:6:9",
        "  |",
        "6 |  ./x.sh <name>",
        "  |         ^^^^^^",
        "  = Write the value, or use `<version>`, `<new-version>`, `<previous-version>`, `<environment>` or `<service-name>`.",
        "",
        "1 error, no warnings, no notes",
      ].join("\n"),
    );
  });

  it("colours only when asked to", () => {
    const escape = "\u001B[";
    assert.ok(!renderDiagnostics(placeholder, context, "text", { color: false }).includes(escape));
    assert.ok(renderDiagnostics(placeholder, context, "text", { color: true }).includes(`${escape}1;31m`));
  });

  it("gives one JSON document with every field", () => {
    const document: unknown = JSON.parse(renderDiagnostics(placeholder, context, "json"));
    assert.deepEqual(document, {
      diagnostics: [
        {
          code: "RB201",
          severity: "error",
          line: 6,
          column: 9,
          endColumn: 15,
          message: "Nothing says what `<name>` stands for.",
          excerpt: " ./x.sh <name>\n        ^^^^^^",
          remedy: placeholder[0]?.remedy,
          file: "ops/RUN BOOK.md",
        },
      ],
    });
    assert.deepEqual(JSON.parse(renderDiagnostics([], context, "json")), { diagnostics: [] });
  });

  it("gives SARIF with rules, levels and regions", () => {
    const log = JSON.parse(renderDiagnostics(diagnostics, context, "sarif")) as {
      version: string;
      runs: {
        tool: { driver: { rules: { id: string }[] } };
        results: { ruleId: string; ruleIndex: number; level: string; locations: object[] }[];
      }[];
    };
    const [run] = log.runs;
    assert.equal(log.version, "2.1.0");
    assert.ok(run !== undefined);
    for (const result of run.results) assert.equal(run.tool.driver.rules[result.ruleIndex]?.id, result.ruleId);
    const found = run.results.find((result) => result.ruleId === "RB201");
    assert.equal(found?.level, "error");
    assert.deepEqual(found?.locations, [
      {
        physicalLocation: {
          artifactLocation: { uri: "ops/RUN%20BOOK.md" },
          region: { startLine: 6, startColumn: 9, endColumn: 15, snippet: { text: " ./x.sh <name>" } },
        },
      },
    ]);
  });

  it("takes the excerpt of a later diagnostic from the text, and does without when there is none", () => {
    const later = diagnostic(
      "PL201",
      context.file,
      { line: 6, column: 2, endColumn: 8 },
      { message: "No such script." },
    );
    assert.match(renderDiagnostics([later], context, "text"), /6 \| {2}\.\/x\.sh <name>\n {2}\| {2}\^{6}\n/);
    assert.ok(!renderDiagnostics([later], { file: context.file }, "text").includes("^"));
  });

  it("counts in words", () => {
    assert.equal(countLine([]), "no errors, no warnings, no notes");
  });
});
