import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock, type Clock } from "../../clock.ts";
import { failureOf, runOperation, scratch, testRelease, testSystem } from "./testing/fixtures.ts";
import { checkWorld, memoryReading, type CheckWorld } from "./testing/world.ts";

const MB = 1024 * 1024;
const release = testRelease("2.0.0");

/** The release was rolled out in this very run. */
const earlier = { "deploy-production": { summary: "2 hosts run 2.0.0" } };

/** The machine's time, with waits that are over at once. */
const quick: Clock = { ...systemClock, timer: (ms, fn, options) => systemClock.timer(Math.min(ms, 2), fn, options) };

type Case = readonly [what: string, breakIt: (world: CheckWorld) => void, message: RegExp];

const readiness: Case[] = [
  ["a host that does not answer", (world) => world.hosts.delete("web-1"), /web-1: web-1 does not answer/],
  [
    "a full disk",
    (world) => world.hosts.set("web-2", { freeBytes: 5 * MB, pending: null }),
    /web-2: has 5\.0 MiB of disk left, at least 256\.0 MiB/,
  ],
  [
    "a clock that is off",
    (world) => world.hosts.set("web-2", { freeBytes: 1e10, pending: null, clockMs: systemClock.now() - 3_600_000 }),
    /web-2: its clock is off by -60 minutes, at most 2 s are good/,
  ],
  [
    "an activation that waits",
    (world) =>
      world.hosts.set("web-1", {
        freeBytes: 1e10,
        pending: { turn: "t", releaseId: "2.1.0-abc", previousId: null, exposure: false, remainingMs: 1 },
      }),
    /web-1: an activation of 2\.1\.0-abc there waits for its confirmation/,
  ],
  [
    "a sick service",
    (world) =>
      world.probes.set("web-2", { ok: false, status: 503, version: null, latencyMs: 1, reason: "database: locked" }),
    /service on web-2: database: locked/,
  ],
  [
    "two versions at once",
    (world) => world.probes.set("web-2", { ok: true, status: 200, version: "2.1.0", latencyMs: 1, reason: "" }),
    /versions: hosts run different ones: 2\.0\.0 on web-1; 2\.1\.0 on web-2/,
  ],
  [
    "a service that is not the release in current",
    (world) =>
      world.hosts.set("web-2", { freeBytes: 1e10, pending: null, active: { id: "1.9.0-abc", version: "1.9.0" } }),
    /service on web-2: answers as 2\.0\.0 and current is 1\.9\.0-abc; a restart would change it/,
  ],
  [
    "a server that is down",
    (world) => change(world, "web-1", { up: false, check: "connect ECONNREFUSED" }),
    /server web-1: is down: connect ECONNREFUSED/,
  ],
  ["a drained server", (world) => change(world, "web-1", { admin: "drain" }), /server web-1: is set to drain/],
  [
    "a server with little weight",
    (world) => change(world, "web-2", { weightPercent: 10 }),
    /server web-2: has 10 % of its weight/,
  ],
  [
    "a server that the load balancer does not know",
    (world) => world.servers.delete("web-2"),
    /server web-2: the load balancer does not know it/,
  ],
  [
    "too few servers for a rollout",
    (world) => change(world, "web-1", { up: false }),
    /capacity: 1 servers in traffic, 1 may be out at once, 1 must stay/,
  ],
  [
    "a backup that was truncated since",
    (world) => (world.damage = "the file b-1 is truncated: 3 bytes, 9 were written"),
    /backup: the file b-1 is truncated: 3 bytes, 9 were written; run `sunny run backup-databases`/,
  ],
  ["no backup at all", (world) => (world.backups = []), /backup: there is none; run `sunny run backup-databases`/],
  [
    "a backup that nobody proved",
    (world) => (world.backups = world.backups.map((one) => ({ ...one, proof: null }))),
    /backup: none of the 1 was proved/,
  ],
  [
    "a backup that is too old",
    (world) => (world.backups = world.backups.map((one) => ({ ...one, at: "2020-01-01T00:00:00Z" }))),
    /backup: .* is \d+ days old, at most 24 hours are good/,
  ],
  [
    "a database that is away",
    (world) => (world.database = new Error("There is no database at payments.db")),
    /database: There is no database at payments\.db/,
  ],
  [
    "a damaged database",
    (world) =>
      (world.database = {
        connectMs: 1,
        writeLockMs: 1,
        sizeBytes: 1,
        notes: [],
        problems: ["row 1 missing from index"],
      }),
    /database: row 1 missing from index/,
  ],
  [
    "metrics of a host that do not come",
    (world) =>
      (world.reading = (host, at) =>
        host === "web-2" ? { host, failed: "connect ECONNREFUSED" } : { host, at, mode: "cumulative" }),
    /metrics of web-2: connect ECONNREFUSED/,
  ],
  [
    "a rule without data",
    (world) => world.problems.push("no metric for the error rate"),
    /monitoring: no metric for the error rate/,
  ],
  [
    "an altered release",
    (world) => (world.release = new Error("the archive's digest is another")),
    /release 2\.0\.0: the archive's digest is another/,
  ],
];

function change(
  world: CheckWorld,
  name: string,
  to: Partial<NonNullable<ReturnType<CheckWorld["servers"]["get"]>>>,
): void {
  const server = world.servers.get(name);
  if (server !== undefined) world.servers.set(name, { ...server, ...to });
}

test("a healthy production is ready", async (t) => {
  const world = checkWorld(scratch(t), quick);
  const report = await runOperation(world.operation("verify-production-readiness"), {
    system: world.system,
    release,
    previous: release,
  });
  assert.match(report.summary, /^Production is ready: \d+ checks passed$/);
});

for (const [what, breakIt, message] of readiness) {
  test(`verify-production-readiness finds ${what}`, async (t) => {
    const world = checkWorld(scratch(t), quick);
    breakIt(world);
    const failure = await failureOf(world.operation("verify-production-readiness"), {
      system: world.system,
      release,
      previous: release,
    });
    assert.equal(failure.code, "CHECK_FAILED");
    assert.match(failure.message, message);
  });
}

test("a version other than the one recorded as active is not ready", async (t) => {
  const world = checkWorld(scratch(t), quick);
  const run = { system: world.system, previous: testRelease("1.9.0") };
  assert.match(
    (await failureOf(world.operation("verify-production-readiness"), run)).message,
    /versions: 2\.0\.0 answers, 1\.9\.0 is recorded as active/,
  );
});

const monitoring: Case[] = [
  [
    "a scrape that stopped",
    (world) =>
      (world.reading = (host, at) =>
        host === "web-2" ? { host, failed: "connect ECONNREFUSED 127.0.0.1:18002" } : { host, at, mode: "cumulative" }),
    /^1 of \d+ checks failed: scrape of web-2: has stopped: connect ECONNREFUSED/,
  ],
  [
    "a host that the source does not know",
    (world) => (world.reading = (host, at) => ({ host: host === "web-2" ? "web-9" : host, at, mode: "cumulative" })),
    /scrape of web-2: the source does not know this host/,
  ],
  [
    "a stale sample",
    (world) => (world.reading = (host, at) => ({ host, at: host === "web-1" ? at - 120_000 : at, mode: "cumulative" })),
    /scrape of web-1: is stale: its newest sample is 2 minutes old, at most 30 s are good/,
  ],
  [
    "an exporter that repeats itself",
    (world) =>
      (world.reading = (host, at) => ({ host, at, mode: "cumulative", cpuSeconds: host === "web-1" ? 5 : at })),
    /scrape of web-1: is stuck/,
  ],
  [
    "a rule without data",
    (world) => world.problems.push("Cannot watch memory: no such metric"),
    /monitoring: Cannot watch memory: no such metric/,
  ],
  ["a runbook without thresholds", (world) => (world.rules = []), /monitoring: no rule is watched/],
  [
    "metrics of another version",
    (world) => world.metrics.set("web-2", 'app_info{host="web-2",version="1.0.0"} 1\n'),
    /version of web-2: its metrics name 1\.0\.0, 2\.0\.0 is expected/,
  ],
  ["metrics that do not answer", (world) => world.metrics.delete("web-1"), /version of web-1: web-1 does not answer/],
  [
    "a watcher that is gone",
    (world) => (world.watching = false),
    /watcher: does not run: nobody watches this deployment/,
  ],
];

test("monitoring that works passes", async (t) => {
  const world = checkWorld(scratch(t), quick);
  const report = await runOperation(world.operation("verify-monitoring"), { system: world.system, release, earlier });
  assert.equal(report.summary, "All 2 hosts are monitored, with what every rule needs");
});

test("figures of CloudWatch may be as late as it gives them, and no later", async (t) => {
  const world = checkWorld(scratch(t), quick);
  const source = { kind: "cloudwatch", region: "eu-central-1", metrics: {} } as const;
  const system = testSystem(scratch(t), { monitoring: { source } });
  const run = { system, release, earlier };
  let lateMs = 150_000;
  const given = new Set<string>();
  // Each period is given once: a second reading at once finds nothing new.
  world.reading = (host, at) =>
    given.has(host) ? { host, failed: "nothing new" } : (given.add(host), { host, at: at - lateMs, mode: "windowed" });
  const report = await runOperation(world.operation("verify-monitoring"), run);
  assert.equal(report.summary, "All 2 hosts are monitored, with what every rule needs");
  given.clear();
  lateMs = 600_000;
  const { message } = await failureOf(world.operation("verify-monitoring"), run);
  assert.match(message, /scrape of web-1: is stale: its newest sample is 10 minutes old/);
});

for (const [what, breakIt, message] of monitoring) {
  test(`verify-monitoring finds ${what}`, async (t) => {
    const world = checkWorld(scratch(t), quick);
    breakIt(world);
    assert.match(
      (await failureOf(world.operation("verify-monitoring"), { system: world.system, release, earlier })).message,
      message,
    );
  });
}

const memory: Case[] = [
  [
    "a service that leaks",
    (world) => world.memory.set("web-2", memoryReading({ alive: (second) => (20 + second) * MB })),
    /^1 of \d+ checks failed: memory of web-2: leaks: .*\/s over 49 s, .* a request, at its limit in/,
  ],
  [
    "a service above the limit",
    (world) => world.memory.set("web-1", memoryReading({ resident: 230 * MB })),
    /memory of web-1: 90 % of 256\.0 MiB in use, the limit is 85 %/,
  ],
  [
    "a heap that is full",
    (world) => world.memory.set("web-1", { ...memoryReading(), heapUsedBytes: 1000 * MB }),
    /memory of web-1: its heap is 98 % full/,
  ],
  ["a service that does not answer", (world) => world.memory.delete("web-2"), /memory of web-2: web-2 does not answer/],
];

test("memory that comes and goes passes, with its trend", async (t) => {
  const world = checkWorld(scratch(t), quick);
  const report = await runOperation(world.operation("analyze-memory"), { system: world.system });
  assert.match(report.findings?.[1]?.message ?? "", /^no leak: -?[\d.]+ \w+\/s over 49 s/);
});

for (const [what, breakIt, message] of memory) {
  test(`analyze-memory finds ${what}`, async (t) => {
    const world = checkWorld(scratch(t), quick);
    breakIt(world);
    assert.match((await failureOf(world.operation("analyze-memory"), { system: world.system })).message, message);
  });
}

test("the runbook's own memory threshold is the limit", async (t) => {
  const world = checkWorld(scratch(t), quick);
  world.rules = [
    { kind: "usage", resource: "memory", id: "memory", title: "Memory usage > 30%", share: 1, limit: 0.3 },
  ];
  const failure = await failureOf(world.operation("analyze-memory"), { system: world.system });
  assert.match(failure.message, /memory of web-1: 39 % of 256\.0 MiB in use, the limit is 30 %/);
});
