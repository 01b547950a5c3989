import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import * as tar from "tar";
import type { ReleaseFile } from "./manifest.ts";
import { headerBlocks, libraryHeader } from "./tar-stream.ts";

const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 160 }).filter((text) => !text.includes("\0")),
  fc.stringMatching(/^[a-z]{1,30}(\/[a-z0-9._-]{1,30}){0,5}$/),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }).filter((text) => !text.includes("\0")),
);
const file: fc.Arbitrary<ReleaseFile> = fc
  .record({
    path: name,
    mode: fc.constantFrom(0o644, 0o755, 0o777),
    size: fc.oneof(fc.nat(), fc.constantFrom(0, 8 ** 10 - 1, 8 ** 10, 8 ** 11 - 1, 8 ** 11, 2 ** 40)),
    link: fc.option(name, { nil: undefined }),
  })
  .map(({ link, ...rest }) => ({ ...rest, sha256: "", ...(link === undefined ? {} : { link }) }));

test("a header is byte for byte the one that the library writes, whatever its names and its size", async () => {
  await fc.assert(
    fc.asyncProperty(file, async (one) => {
      const [ours, theirs] = [await headerBlocks(one), libraryHeader(tar, one)];
      assert.equal(ours.toString("latin1"), theirs.toString("latin1"));
    }),
    { numRuns: 2_000 },
  );
});
