/** A process that watches a canary and a baseline and does nothing else, until it is killed: watch.child.ts FILE PORT PORT. */
import process from "node:process";
import type { Rule } from "../../src/analysis/rule.ts";
import { withShares } from "../../src/analysis/settings.ts";
import { systemClock } from "../../src/clock.ts";
import type { Plan } from "../../src/plan/model.ts";
import { systemSchema } from "../../src/system/schema.ts";
import { WatchHost } from "../../src/wiring/watch-host.ts";

const [file = "", ...ports] = process.argv.slice(2);
const rules = withShares<Rule>([
  { id: "error-rate", title: "Error rate > 1%", kind: "error-rate", share: 0, limit: 0.01 },
  { id: "compared", title: "Errors compared", kind: "errors-versus-baseline", share: 0, tolerate: 1 },
]);
const system = systemSchema.parse({
  service: "payments",
  environment: "production",
  releases: { dir: "/r", trustedKeys: ["k"] },
  hosts: ports.map((port, i) => ({ name: `web-${i + 1}`, root: `/srv/web-${i + 1}`, port: Number(port) })),
  loadBalancer: { kind: "embedded", socket: "/s" },
  database: { kind: "sqlite", file: "/d", backupDir: "/b" },
  monitoring: { source: { kind: "scrape" }, intervalMs: 20 },
});
const metrics = { requests: { metric: "requests_total", statusLabel: "status" }, exclude: { labels: [], values: [] } };
const watch = new WatchHost(file, { clock: systemClock });
await watch.begin({
  runId: "d-1",
  plan: { system, rules, metrics } as unknown as Plan,
  interrupt: () => {},
  onVerdict: ({ intervals }) => void process.stdout.write(`${intervals}\n`),
});
await watch.setArms({ canary: ["web-1"], baseline: ["web-2"] });
