import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";
import { remedyFor, REMEDIES, withRemedy } from "./error-remedies.ts";
import { SunnyError } from "./errors.ts";

test("every error says what to do, in sentences", () => {
  assert.deepEqual(Object.keys(REMEDIES), Object.keys(ERROR_CODES));
  for (const [code, remedy] of Object.entries(REMEDIES)) assert.match(remedy, /^[A-Z`d][^]*\.$/, code);
});

test("an error's own hint is kept, and one without gets that of its code", () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const place = { file: "RUNBOOK.md", line: 3 };
    const told = withRemedy(new SunnyError(code, "It failed", { place, details: { n: 1 } })) as SunnyError;
    assert.deepEqual(
      [told.code, told.message, told.hint, told.place, told.details],
      [code, "It failed", REMEDIES[code], place, { n: 1 }],
    );
  }
  const own = new SunnyError("USAGE", "It failed", { hint: "Do this." });
  assert.equal(withRemedy(own), own);
  const foreign = new Error("not Sunny's");
  assert.equal(withRemedy(foreign), foreign);
  assert.equal(remedyFor("EACCES"), undefined);
});
