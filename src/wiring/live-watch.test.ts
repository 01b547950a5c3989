import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../clock.ts";
import type { Channel, Notice } from "../notify/notice.ts";
import { createNotifier } from "../notify/notifier.ts";
import { systemSchema, type System } from "../system/schema.ts";
import { watchNow } from "./live-watch.ts";
import { WatchHost } from "./watch-host.ts";

const RUNBOOK = "# Service\n\n## Alert Thresholds\n\n- Error rate > 1%\n";

/** One host of which every second request fails, and its system. */
async function failing(t: TestContext): Promise<{ readonly system: System; readonly dir: string }> {
  const dir = mkdtempSync(path.join(tmpdir(), "sunny-live-"));
  const counts = { good: 0, failed: 0 };
  const server = createServer((_, response) => {
    counts.good += 100;
    counts.failed += 100;
    response.end(
      `http_requests_total{status="200"} ${counts.good}\nhttp_requests_total{status="500"} ${counts.failed}\n`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const runbook = path.join(dir, "RUNBOOK.md");
  writeFileSync(runbook, RUNBOOK);
  const system = systemSchema.parse({
    service: "payments",
    environment: "production",
    runbook,
    releases: { dir: "/r", trustedKeys: ["k"] },
    hosts: [{ name: "web-1", root: "/srv/web-1", port: (server.address() as AddressInfo).port }],
    loadBalancer: { kind: "embedded", socket: "/s" },
    database: { kind: "sqlite", file: "/d", backupDir: "/b" },
    monitoring: { intervalMs: 20 },
  });
  return { system, dir };
}

/** Watches until the service was degraded in three intervals, with one channel. */
async function watchUntil(
  t: TestContext,
  { alert, send }: { readonly alert: boolean; readonly send: Channel["send"] },
): Promise<void> {
  const { system, dir } = await failing(t);
  const channel: Channel = { name: "fake", from: "info", send };
  const notifier = createNotifier({ channels: [channel], clock: systemClock, deadlineMs: 200 });
  const host = new WatchHost(path.join(dir, "watch.db"), { clock: systemClock });
  let degraded = 0;
  const enough = Promise.withResolvers<void>();
  const live = await watchNow(
    {
      signal: new AbortController().signal,
      plannedMs: 60_000,
      onNote: () => {},
      onVerdict: ({ verdict }) => {
        if (verdict === "degraded" && ++degraded === 3) enough.resolve();
      },
      alert,
    },
    system,
    host,
    { clock: systemClock, notifier },
  );
  await enough.promise;
  await live.watcher.stop();
  await live.told();
  host.close();
}

test("a watch by hand tells the channels once that the service is degraded, when it is asked to", async (t) => {
  const sent: Notice[] = [];
  await watchUntil(t, { alert: true, send: async (notice) => void sent.push(notice) });
  assert.deepEqual(
    sent.map(({ event, severity, deployment, service }) => [event, severity, deployment, service]),
    [["rule.degraded", "critical", null, "payments"]],
  );
  sent.length = 0;
  await watchUntil(t, { alert: false, send: async (notice) => void sent.push(notice) });
  assert.deepEqual(sent, []);
});

test("a channel that hangs holds up neither the watch nor its end", async (t) => {
  let asked = 0;
  await watchUntil(t, { alert: true, send: () => (asked++, new Promise(() => {})) });
  assert.equal(asked, 1);
});
