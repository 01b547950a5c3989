import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import type { Rule } from "../analysis/rule.ts";
import { withShares } from "../analysis/settings.ts";
import { systemClock } from "../clock.ts";
import type { InterruptReason } from "../engine/context.ts";
import type { Plan } from "../plan/model.ts";
import { systemSchema, type SystemConfig } from "../system/schema.ts";
import { WatchHost } from "./watch-host.ts";

const RULES = withShares<Rule>([
  { id: "error-rate", title: "Error rate > 1%", kind: "error-rate", share: 0, limit: 0.01 },
]);
const BINDING = { requests: { metric: "requests_total", statusLabel: "status" }, exclude: { labels: [], values: [] } };

interface Scene {
  readonly file: string;
  /** Errors that the canary has from now on, as a part of its requests. */
  bad: number;
  /** Called after each reading of the canary. */
  onRead: () => void;
  plan(monitoring?: SystemConfig["monitoring"]): Plan;
}

/** Two hosts behind one port; each reading of a host finds a hundred requests more. */
async function scene(t: TestContext): Promise<Scene> {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-watch-"));
  const counts = { good: 0, failed: 0 };
  const server = createServer((request, response) => {
    counts.good += 100 * (1 - own.bad);
    counts.failed += 100 * own.bad;
    response.end(`requests_total{status="200"} ${counts.good}\nrequests_total{status="500"} ${counts.failed}\n`);
    if (request.url === "/web-1") own.onRead();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const { port } = server.address() as AddressInfo;
  const plan = (monitoring: SystemConfig["monitoring"] = { intervalMs: 20 }): Plan => {
    const system = systemSchema.parse({
      service: "payments",
      environment: "production",
      releases: { dir: "/r", trustedKeys: ["k"] },
      hosts: [{ name: "web-1", root: "/srv/web-1", port }],
      loadBalancer: { kind: "embedded", socket: "/s" },
      database: { kind: "sqlite", file: "/d", backupDir: "/b" },
      monitoring: { source: { kind: "scrape", path: "/web-1" }, ...monitoring },
    });
    return { system, rules: RULES, metrics: BINDING } as unknown as Plan;
  };
  const own: Scene = { file: path.join(directory, "watch.db"), bad: 0, onRead: () => {}, plan };
  return own;
}

const never = ({ kind, by }: InterruptReason): void => assert.fail(`interrupted: ${kind} by ${by}`);

const ARMS = { canary: ["web-1"], baseline: [], weight: 0.1 };

test("a breach interrupts the run, and what was seen is explained from the file afterwards", async (t) => {
  const own = await scene(t);
  own.bad = 0.5;
  const host = new WatchHost(own.file, { clock: systemClock });
  const raised = new Promise<InterruptReason>((resolve) => {
    void host.begin({ runId: "d-1", plan: own.plan(), interrupt: resolve });
  });
  await host.setArms(ARMS);
  assert.equal((await raised).kind, "breach");
  await host.end();
  const explanation = host.explain("d-1");
  assert.equal(explanation?.agrees, true);
  assert.equal(explanation?.intervalReason, "set by monitoring.intervalMs");
  assert.deepEqual(host.watches(5), ["d-1"]);
  assert.equal(host.snapshot("d-1")?.verdict, "degraded");
  host.close();
});

test("a resumed watch keeps the length of its intervals, whatever would be learned now", async (t) => {
  const own = await scene(t);
  const seen = (host: WatchHost): Promise<void> =>
    new Promise((resolve) => {
      own.onRead = () => {
        if ((host.snapshot("d-1")?.intervals ?? 0) > 0) resolve();
      };
    });
  const first = new WatchHost(own.file, { clock: systemClock });
  await first.begin({ runId: "d-1", plan: own.plan(), interrupt: never });
  await first.setArms(ARMS);
  await seen(first);
  await first.end();
  first.close();
  const second = new WatchHost(own.file, { clock: systemClock });
  await second.begin({ runId: "d-1", plan: own.plan({}), interrupt: never });
  assert.equal(second.watching, true, "watching goes on at once");
  assert.equal(second.snapshot("d-1")?.intervalMs, 20);
  await second.end();
  second.close();
});

test("a new watch learns the length of its intervals, and says in its notes and record why", async (t) => {
  const own = await scene(t);
  const host = new WatchHost(own.file, { clock: systemClock });
  await host.begin({ runId: "d-2", plan: own.plan({}), interrupt: never });
  await host.setArms(ARMS);
  assert.match(host.notes.map((note) => note.text).join("\n"), /intervals of 10 s: no past of the baseline is known/);
  await host.end();
  assert.equal(host.explain("d-2")?.intervalReason, "no past of the baseline is known");
  host.close();
});
