import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunbook } from "./parse.ts";

test("addresses in the sentences of a section of contacts are contacts", () => {
  const text =
    "# R\n\n## Contacts\n\nDevOps lead: lead@sunnypayments.com\n\nOr ask #deploys and @oncall in the chat.\n\nWe answer soon.\n";
  const { contacts } = parseRunbook(text, "R.md").runbook;
  assert.deepEqual(
    contacts.map(({ role, addresses, line }) => [role, addresses, line]),
    [
      ["DevOps lead", ["lead@sunnypayments.com"], 5],
      ["Contacts", ["#deploys", "@oncall"], 7],
    ],
  );
});
