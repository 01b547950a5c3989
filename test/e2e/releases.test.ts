import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { assertEventLines } from "../support/e2e/sunny.ts";

/*
 * What happens follows from the code of a release and never from its version: the failing one is packed as the version
 * of the good one here, and the good one as that of the failing one.
 */
describe("releases that are not what their version promises", () => {
  let system: DemoSystem;

  before(async () => {
    system = await startDemoSystem({
      releases: [
        { variant: "failing", version: "2.1.0" },
        { variant: "good", version: "2.2.0" },
        { variant: "slow" },
        { variant: "crashing" },
        { variant: "leaking" },
      ],
      rate: 120,
      // Long enough for a leak to go beyond the limit; the other bad releases end it long before.
      config: (config) => ({
        ...config,
        rollout: { ...config.rollout, canaryPercent: 50, canaryBakeMs: 8_000, decisionMs: 1_000 },
      }),
    });
  });
  after(() => system.stop());

  const bad: readonly [string, string, RegExp][] = [
    ["2.1.0", "answers 5 % of its requests with errors", /Error/],
    ["2.3.0", "takes longer than 500 ms", /[Rr]esponse time/],
    ["2.4.0", "ends while it starts", /web-1: the service does not run/],
    ["2.5.0", "uses more and more memory", /Memory usage/],
  ];
  for (const [version, does, reason] of bad) {
    it(`${version}, which ${does}, is taken back, and why is said`, async () => {
      const ended = await system.sunny(["deploy", "--release", version]);
      const told = `${ended.stdout}\n${ended.stderr}`;
      assertEventLines(ended);
      assert.equal(ended.summary["outcome"], "rolled-back", told);
      assert.equal(ended.status, 3, told);
      assert.match(String(ended.summary["reason"]), reason);
      assert.doesNotMatch(String(ended.summary["reason"]), /[{}]/, "a sentence, not data");
      assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
    });
  }

  it("2.2.0, which is the good one, succeeds, and so does going back from it by hand", async () => {
    system.changeConfig((config) => ({ ...config, rollout: { ...config.rollout, canaryBakeMs: 2_500 } }));
    const ended = await system.sunny(["deploy", "--release", "2.2.0"]);
    assert.equal(ended.status, 0, `${ended.stdout}\n${ended.stderr}`);
    assert.deepEqual(await system.versions(), ["2.2.0", "2.2.0"]);
    const back = await system.sunny(["rollback"]);
    assert.equal(back.status, 0, `${back.stdout}\n${back.stderr}`);
    assertEventLines(back);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
  });

  it("customers of the releases that are right noticed nothing", async () => {
    const seen = await (system.load ?? assert.fail()).summary();
    const failed = ["2.0.0", "2.2.0"].map((version) => seen.byVersion[version]?.failed ?? 0);
    assert.deepEqual(failed, [0, 0], JSON.stringify(seen.byVersion));
    const { lost, doubled } = system.reconcile();
    assert.deepEqual({ lost, doubled }, { lost: 0, doubled: 0 });
  });
});
