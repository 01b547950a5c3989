import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../engine/testing/virtual-clock.ts";
import type { ScriptOptions, ScriptResult, Transport } from "../operations/rollout/transport.ts";
import type { Plan } from "../plan/model.ts";
import type { System } from "../system/schema.ts";
import { copyToHosts } from "./host-checkpoints.ts";
import type { Transports } from "./transports.ts";

const NOTE = "sunny/api/test\n7\ncm9vdA==\n\n— sunny/api/test c2ln\n";
const PLAN = { phases: [{ steps: [{ changes: ["hosts"] }] }] } as unknown as Pick<Plan, "phases">;

/** Copies to hosts that take so long to answer; null is a host that never does. */
async function copy(answers: Readonly<Record<string, number | null>>): Promise<{ problems: string[]; tookMs: number }> {
  const clock = new VirtualClock();
  const transport: Transport = {
    run: (host: string, _: string, { signal }: ScriptOptions) =>
      new Promise<ScriptResult>((resolve) => {
        const end = (status: number | null): void =>
          resolve({ status, stdout: "", stderr: "", ended: status === null ? "aborted" : null });
        const takes = answers[host] ?? null;
        if (takes !== null) clock.timer(takes, () => end(0));
        signal?.addEventListener("abort", () => end(null), { once: true });
      }),
  };
  const hosts = Object.keys(answers).map((name) => ({ name, root: "/srv/api", connection: { kind: "ssh" } }));
  const system = { hosts } as unknown as Pick<System, "hosts">;
  const transports = { of: () => transport } as unknown as Transports;
  const problems = await clock.until(copyToHosts({ system, transports, authority: "a", clock }, PLAN, NOTE));
  return { problems, tookMs: clock.monotonic() };
}

test("one host that is down is not waited for once the others are done", async () => {
  const { problems, tookMs } = await copy({ one: 100, two: null, three: 3_000 });
  assert.deepEqual(
    problems.map((problem) => problem.slice(0, 50)),
    ["two keeps no copy of the newest checkpoint: two: a"],
  );
  assert.equal(tookMs, 7_000);
});

test("many hosts that answer one after the other are waited for, up to ten seconds", async () => {
  assert.deepEqual(await copy({ one: 3_000, two: 6_000, three: 9_000 }), { problems: [], tookMs: 9_000 });
  const { problems, tookMs } = await copy({ one: 3_000, two: 6_000, three: 9_000, four: 12_000 });
  assert.equal(problems.length, 1);
  assert.equal(tookMs, 10_000);
});
