import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Command } from "commander";
import { sqliteIntervalStore } from "../adapters/sqlite/intervals.ts";
import type { Rule } from "../analysis/rule.ts";
import { analysisSettings, withShares } from "../analysis/settings.ts";
import { isSunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import { explain as explainStore } from "../operations/monitor/explain.ts";
import type { FakeClock } from "../operations/monitor/fake-world.ts";
import { fakeClock, fakeSource } from "../operations/monitor/fake-world.ts";
import type { IntervalStore } from "../operations/monitor/ports.ts";
import type { MonitorSnapshot } from "../operations/monitor/snapshot.ts";
import { storedSnapshot } from "../operations/monitor/stored-snapshot.ts";
import { startWatcher } from "../operations/monitor/watcher.ts";
import type { Configure } from "./configure.ts";
import type { CliContext } from "./context.ts";
import { configure as configureExplain } from "./explain.ts";
import { configure as configureMonitor } from "./monitor.ts";
import { createOutput } from "./output.ts";

const rules = withShares<Rule>([
  { id: "error-rate", title: "Error rate > 1%", kind: "error-rate", share: 0, limit: 0.01 },
]);
const settings = analysisSettings({ rules, intervalMs: 1000, plannedIntervals: 60 });

interface Called {
  readonly status: number;
  readonly out: string;
  readonly events: Record<string, unknown>[];
}

async function call(
  configure: Configure,
  args: readonly string[],
  sunny: Partial<Sunny>,
  clock: FakeClock,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
): Promise<Called> {
  let out = "";
  let status = 0;
  const json = args.includes("--json");
  const output = createOutput({
    json,
    stdout: { write: (text) => (out += text) },
    stderr: { write: () => {} },
    clock,
  });
  const context = {
    output,
    clock,
    interactive: false,
    signal: new AbortController().signal,
    sunny: () => Promise.resolve(sunny as Sunny),
    exit: (given: number) => (status = given),
  } as unknown as CliContext;
  const command = new Command().option("--json");
  configure(command, context);
  await Promise.all([command.parseAsync([...args], { from: "user" }), meanwhile()]);
  const events = json
    ? out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    : [];
  return { status, out, events };
}

/** A deployment d-1 whose canary fails from its sixth second on. */
async function watched(): Promise<{ clock: FakeClock; db: DatabaseSync; store: IntervalStore; sunny: Partial<Sunny> }> {
  const clock = fakeClock();
  const { source, hosts } = fakeSource(clock, ["a", "b"]);
  const db = new DatabaseSync(":memory:");
  const store = sqliteIntervalStore(db, "d-1");
  const watcher = startWatcher({ settings, source, store, clock, arms: () => ({ canary: ["a"], baseline: ["b"] }) });
  await clock.advance(5000);
  hosts["a"]!.errorsPerSecond = 40;
  await clock.advance(5000);
  await watcher.stop();
  const run = { id: "d-1", endedAt: 1, input: { plan: { rules } } };
  const sunny = {
    journal: { read: { runs: () => [run], run: () => run } },
    watch: () =>
      Promise.resolve({
        explain: (id: string, planned: readonly Rule[]) => explainStore(sqliteIntervalStore(db, id), planned),
      }),
  } as unknown as Partial<Sunny>;
  return { clock, db, store, sunny };
}

test("explain prints each verdict with its evidence and exits with 0 when the data bear it out", async () => {
  const { clock, sunny } = await watched();
  const { status, out } = await call(configureExplain, ["d-1"], sunny, clock);
  assert.equal(status, 0);
  assert.match(out, /degraded\n {2}Error rate > 1%: .* errors.*e-value \d+ of 100 needed/);
  assert.match(out, /Record and data agree\.\n$/);
});

test("explain exits with 1 and says what differs when a kept count was changed", async () => {
  const { clock, db, sunny } = await watched();
  db.exec(`UPDATE watch_interval SET data = '{"kind":"counts","requests":100,"bad":[0]}' WHERE arm = 'canary'`);
  const { status, events } = await call(configureExplain, ["d-1", "--json"], sunny, clock);
  assert.equal(status, 1);
  const last = events.filter(({ event }) => event === "verdict").at(-1)!;
  assert.equal(last["recorded"], "degraded");
  assert.equal(last["recomputed"], "healthy");
  assert.equal(last["agrees"], false);
  const { at: _, ...summary } = events.at(-1)!;
  const counted = { deployment: "d-1", intervals: 10, verdicts: 4 };
  assert.deepEqual(summary, {
    event: "summary",
    ...counted,
    problems: [27, 29].map(
      (second) => `at 2023-11-14T22:13:${second}.000Z the data say healthy, and no verdict was recorded`,
    ),
    agrees: false,
  });
});

/** What somebody could change in the file, and what is said of it. */
const altered: readonly [string, string, RegExp][] = [
  [
    "the last interval lost its errors",
    `UPDATE watch_interval SET data = '{"kind":"counts","requests":100,"bad":[0]}'
     WHERE arm = 'canary' AND start = (SELECT max(start) FROM watch_interval)`,
    /e-value on record is \d.*, the data say/,
  ],
  [
    "an interval is gone",
    "DELETE FROM watch_interval WHERE start = (SELECT min(start) FROM watch_interval)",
    /intervals were judged/,
  ],
  [
    "the baseline's row of one interval is gone",
    "DELETE FROM watch_interval WHERE arm = 'baseline' AND start = (SELECT max(start) FROM watch_interval)",
    /e-value on record/,
  ],
  [
    "a verdict was made a better one",
    `UPDATE watch_record SET data = replace(data, '"degraded"', '"healthy"') WHERE kind = 'verdict'`,
    /verdict on record is healthy, the data say degraded/,
  ],
  [
    "the bad verdicts are gone",
    `DELETE FROM watch_record WHERE kind = 'verdict' AND data LIKE '%"degraded"%'`,
    /the data say degraded by error-rate, and no verdict was recorded/,
  ],
  [
    "the limit was raised",
    `UPDATE watch_record SET data = replace(data, '"limit":0.01', '"limit":0.5') WHERE kind = 'settings'`,
    /the settings on record were altered.*the rules on record are not those of the plan/s,
  ],
];
for (const [what, change, said] of altered) {
  test(`explain says so when ${what}`, async () => {
    const { clock, db, sunny } = await watched();
    assert.ok(Number(db.prepare(change).run().changes) > 0);
    const { status, out } = await call(configureExplain, ["d-1"], sunny, clock);
    assert.equal(status, 1, out);
    assert.match(out, said);
    assert.match(out, /Record and data DISAGREE/);
  });
}

test("explain refuses a deployment in which nothing was watched", async () => {
  const { clock, sunny } = await watched();
  await assert.rejects(
    call(
      configureExplain,
      ["d-1"],
      { ...sunny, watch: () => Promise.resolve({ snapshot: () => null, explain: () => null, notes: [] }) },
      clock,
    ),
    (error) => isSunnyError(error, "NOTHING_WATCHED"),
  );
});

/** Nothing occupies the environment. */
const FREE = {
  system: { environment: "production" },
  journal: { read: { environment: () => ({ occupiedBy: null }) } },
} as unknown as Partial<Sunny>;

test("monitor shows the fleet after every interval and exits with 1 when it is degraded at the end", async () => {
  for (const [errors, expected, verdict] of [
    [0, 0, "healthy"],
    [50, 1, "degraded"],
  ] as const) {
    const clock = fakeClock();
    const { source, hosts } = fakeSource(clock, ["a", "b"]);
    hosts["a"]!.errorsPerSecond = errors;
    const sunny: Partial<Sunny> = {
      ...FREE,
      watchNow: ({ onVerdict, onNote }) => {
        const store = sqliteIntervalStore(new DatabaseSync(":memory:"), "live");
        const arms = () => ({ canary: ["a", "b"], baseline: [] });
        const watcher = startWatcher({ settings, source, store, clock, arms, onVerdict, onNote });
        return Promise.resolve({
          rules,
          intervalMs: 1000,
          reason: "given",
          problems: [],
          watcher,
          told: () => Promise.resolve(),
        });
      },
    };
    const { status, events } = await call(configureMonitor, ["--seconds", "8", "--json"], sunny, clock, () =>
      clock.advance(10_000),
    );
    assert.equal(status, expected);
    assert.equal(events.at(-1)!["verdict"], verdict);
    assert.ok(events.filter(({ event }) => event === "monitor").length >= 7);
  }
});

test("monitor shows what the process that deploys keeps, and ends when nobody carries the deployment out", async () => {
  const clock = fakeClock();
  const { source, hosts } = fakeSource(clock, ["a", "b"]);
  hosts["a"]!.errorsPerSecond = 50;
  const store = sqliteIntervalStore(new DatabaseSync(":memory:"), "d-1");
  const watcher = startWatcher({ settings, source, store, clock, arms: () => ({ canary: ["a"], baseline: ["b"] }) });
  let alive = true;
  const sunny = {
    ...FREE,
    journal: {
      read: { environment: () => ({ occupiedBy: "d-1" }), run: () => ({ id: "d-1", input: { plan: { rules } } }) },
    },
    watch: () => Promise.resolve({ snapshot: () => storedSnapshot(store) }),
    isCarriedOut: () => alive,
  } as unknown as Partial<Sunny>;
  const { status, events } = await call(configureMonitor, ["--json"], sunny, clock, async () => {
    await clock.advance(10_000);
    alive = false;
    await clock.advance(1_000);
  });
  await watcher.stop();
  assert.equal(status, 1);
  const { deployment, verdict } = events.at(-1)!;
  assert.deepEqual([deployment, verdict], ["d-1", "degraded"]);
  const seen = events
    .filter(({ event }) => event === "monitor")
    .map((one) => (one["snapshot"] as MonitorSnapshot).intervals);
  assert.deepEqual(seen, [...new Set(seen)], "each interval is shown once");
});

test("monitor takes a number of seconds only", async () => {
  const refusal = call(configureMonitor, ["--seconds", "soon"], {}, fakeClock());
  await assert.rejects(refusal, (error) => isSunnyError(error, "USAGE"));
});
