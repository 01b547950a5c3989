import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { diagnosticsPage, withHeadingTable } from "./reference.ts";

const FOLDER = path.resolve(import.meta.dirname, "../../docs/reference");
const read = (name: string): string => readFileSync(path.join(FOLDER, name), "utf8");

describe("the reference pages", () => {
  it("list every diagnostic as the catalogue has it (bin/node tools/docs.ts writes them)", () => {
    assert.equal(read("diagnostics.md"), diagnosticsPage());
  });

  it("list every heading as the vocabulary has it", () => {
    const page = read("runbook.md");
    assert.equal(page, withHeadingTable(page));
    assert.match(page, /\| `rollback` \|/);
  });

  it("stay as they are without a place for the table", () => assert.equal(withHeadingTable("# Page\n"), "# Page\n"));
});
