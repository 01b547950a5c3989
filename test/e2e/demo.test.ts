import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { assertEventLines, type Ended, ROOT, start } from "../support/e2e/sunny.ts";

/** The runbook that the project began with, where a checkout has it beside it; the project's own has the same procedures. */
const SEED = path.resolve(ROOT, "../shared/seeds/000_32263c6c18ea018c.txt");

describe("npm run demo -- --json", () => {
  let temporary: string;
  let demo: Ended;

  before(async () => {
    temporary = mkdtempSync(path.join(tmpdir(), "sunny-demo-"));
    const runbook = existsSync(SEED) ? ["--runbook", SEED] : [];
    const args = [path.join(ROOT, "examples/payments/demo.ts"), "--json", ...runbook];
    demo = await start(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
      env: { TMPDIR: temporary },
    }).ended;
  });
  after(() => rmSync(temporary, { recursive: true, force: true }));

  it("deploys the good release and takes the failing one back, and customers notice nothing", () => {
    const told = demo.stderr.slice(-4_000);
    assertEventLines(demo);
    assert.equal(demo.status, 0, told);
    const { deployments, requests, failedOnHealthy, ledger, audit } = demo.summary as unknown as {
      deployments: readonly { release: string; outcome: string; detectedAfterMs?: number }[];
      requests: number;
      failedOnHealthy: number;
      ledger: { acknowledged: number; lost: number; doubled: number };
      audit: string;
    };
    assert.deepEqual(
      deployments.map(({ release, outcome }) => [release, outcome]),
      [
        ["2.1.0", "succeeded"],
        ["2.2.0", "rolled-back"],
      ],
    );
    const detected = deployments[1]?.detectedAfterMs ?? assert.fail("when it was detected is not said");
    assert.ok(detected > 0 && detected < 30_000, String(detected));
    assert.ok(requests >= 5_000, String(requests));
    assert.equal(failedOnHealthy, 0);
    assert.ok(ledger.acknowledged > 1_000);
    assert.deepEqual([ledger.lost, ledger.doubled], [0, 0]);
    assert.equal(audit, "verified");
  });

  it("leaves nothing behind", () => {
    assert.deepEqual(readdirSync(temporary), []);
  });
});
