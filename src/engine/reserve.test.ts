import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

import { keepReserve, releaseReserve } from "./reserve.ts";

void it("reserve takes real room beside the journal and gives it back once", () => {
  const directory = mkdtempSync(join(tmpdir(), "sunny-reserve-"));
  const journal = join(directory, "journal.db");
  keepReserve(journal, 300_000);
  keepReserve(journal, 300_000);
  const { size, blocks, mode } = statSync(`${journal}.reserve`);
  assert.equal(size, 300_000);
  assert.ok(blocks * 512 >= size);
  assert.equal(mode & 0o777, 0o600);
  assert.equal(releaseReserve(journal), true);
  assert.equal(releaseReserve(journal), false);
  assert.throws(() => keepReserve(join(directory, "missing", "journal.db")), { code: "JOURNAL_UNWRITABLE" });
  rmSync(directory, { recursive: true });
});
