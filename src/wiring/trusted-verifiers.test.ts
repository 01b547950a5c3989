import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKey } from "../audit/note.ts";
import { trustedVerifiers } from "./trusted-verifiers.ts";

test("a trusted key that is none is told with its place in the configuration", () => {
  const { verifier } = generateKey("ci");
  const of = (...trustedKeys: string[]): unknown => trustedVerifiers({ releases: { dir: "/r", trustedKeys } });
  assert.equal((of(verifier) as unknown[]).length, 1);
  assert.throws(() => of(verifier, "garbage"), {
    code: "CONFIG_INVALID",
    message: /wrong at releases\.trustedKeys\[1\]: Cannot use the key/,
  });
});
