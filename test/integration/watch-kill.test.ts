import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { sleep, systemClock } from "../../src/clock.ts";
import { explain } from "../../src/operations/monitor/explain.ts";
import { storedSnapshot } from "../../src/operations/monitor/stored-snapshot.ts";
import { WatchStore } from "../../src/wiring/watch-store.ts";

const KILLS = 5;
const ERRORS = 0.004;

interface Host {
  requests: number;
  /** What it counted when it was read first. */
  first: number | null;
  readonly port: number;
}

test(`kill -9 in the middle of a bake, ${KILLS} times at any moment, loses no request and no evidence`, async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), "sunny-kill-"));
  const file = path.join(dir, "watch.db");
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const hosts: Host[] = [];
  for (const perRead of [7, 90]) {
    const server = createServer((_, response) => {
      own.requests += perRead;
      own.first ??= own.requests;
      const errors = ERRORS * own.requests;
      response.end(`requests_total{status="200"} ${own.requests - errors}\nrequests_total{status="500"} ${errors}\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const own: Host = { requests: 1000, first: null, port: (server.address() as AddressInfo).port };
    hosts.push(own);
  }
  const seen: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const args = [path.join(import.meta.dirname, "watch.child.ts"), file, ...hosts.map(({ port }) => String(port))];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => void child.once("exit", resolve));
    let left = randomInt(3, 12);
    for await (const line of createInterface({ input: child.stdout })) {
      seen.push(Number(line));
      if (--left === 0) break;
    }
    await sleep(systemClock, randomInt(0, 30));
    child.kill("SIGKILL");
    await ended;
  }
  assert.deepEqual(
    seen,
    [...new Set(seen)].toSorted((a, b) => a - b),
    "each process goes on where the one before was",
  );
  const store = new WatchStore(file);
  t.after(() => store.close());
  const kept = store.intervals("d-1");
  const samples = kept.loadSamples() as Record<string, { readonly sample: { readonly requests: number } }>;
  for (const [i, arm] of (["canary", "baseline"] as const).entries()) {
    const rows = kept.load().filter((row) => row.arm === arm && row.rule === "error-rate");
    const counts = rows.map(({ data }) => (data.kind === "counts" ? data : assert.fail(JSON.stringify(data))));
    const total = samples[`web-${i + 1}`]!.sample.requests - hosts[i]!.first!;
    const sum = counts.reduce((all, one) => all + one.requests, 0);
    const errors = counts.reduce((all, one) => all + one.bad[0]!, 0);
    assert.ok(Math.abs(sum - total) < 1e-6, `${arm}: ${sum} of ${total} requests`);
    assert.ok(Math.abs(errors - ERRORS * total) < 1e-6, `${arm}: ${errors} errors`);
  }
  // The verdicts of all processes, and the one bake that they shared, follow from all intervals together.
  const explanation = explain(kept)!;
  assert.deepEqual(explanation.problems, []);
  assert.equal(explanation.agrees, true);
  assert.ok(explanation.intervals.length >= seen.at(-1)!);
  assert.equal(kept.records().filter(({ kind }) => kind === "bake").length, 1);
  const shown = storedSnapshot(kept)!;
  assert.equal(shown.intervals, explanation.intervals.length);
  assert.ok(shown.requests.canary > 0);
});
