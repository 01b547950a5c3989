import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { ConnectionPool } from "./pool.ts";
import { Starts } from "./starts.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function poolOf(maxProcesses: number): { pool: ConnectionPool; exits: string[] } {
  const exits: string[] = [];
  const exit = async (socket: string): Promise<void> => void exits.push(socket);
  return { pool: new ConnectionPool({ maxProcesses, maxSessions: 2, clock: systemClock, exit }), exits };
}

test("the first script opens the connection, the next ones share it up to the limit of a host", async () => {
  const { pool } = poolOf(10);
  const first = await pool.lane("a", 1);
  assert.equal(first.kind, "cold");
  const second = pool.lane("a", 1);
  await turn();
  assert.equal(pool.counts().waiting, 1, "nobody opens it a second time");
  first.opened();
  assert.equal((await second).kind, "shared");
  const third = pool.lane("a", 1);
  await turn();
  assert.equal(pool.counts().waiting, 1);
  (await second).done(false);
  assert.equal((await third).kind, "shared");
});

test("a thousand hosts never have more processes than allowed, and all get their turn", async () => {
  const { pool, exits } = poolOf(64);
  let running = 0;
  let peak = 0;
  await Promise.all(
    Array.from({ length: 1000 }, async (_, at) => {
      const lane = await pool.lane(`h${at}`, 1);
      peak = Math.max(peak, ++running);
      lane.opened();
      await turn();
      running--;
      lane.done(false);
    }),
  );
  assert.ok(pool.counts().peak <= 62 && peak <= 62, `peak ${pool.counts().peak}`);
  assert.ok(exits.length >= 1000 - 62);
  await pool.close();
  assert.deepEqual({ ...pool.counts(), peak: 0 }, { live: 0, peak: 0, waiting: 0 });
});

test("a connection that is lost is opened again, and who lost it late does not close the new one", async () => {
  const { pool } = poolOf(10);
  const cold = await pool.lane("a", 1);
  cold.opened();
  const shared = await pool.lane("a", 1);
  cold.done(true);
  const again = await pool.lane("a", 1);
  assert.equal(again.kind, "cold");
  again.opened();
  shared.done(true);
  again.done(false);
  assert.equal((await pool.lane("a", 1)).kind, "first");
});

test("with room for one process every script still gets its turn", async () => {
  const { pool } = poolOf(1);
  for (const host of ["a", "a", "b", "a"]) {
    const lane = await pool.lane(host, 1);
    lane.opened();
    lane.done(false);
  }
  assert.equal(pool.counts().peak, 1);
});

test("what is open already counts, and what is idle at the end can be left, in the order of its use", async () => {
  const { pool, exits } = poolOf(5);
  assert.deepEqual(
    ["a", "b", "c", "d"].map((host) => pool.adopt(host, 1)),
    [true, true, true, false],
    "there is room for three",
  );
  assert.equal(pool.adopt("a", 1), false, "it is open");
  const lane = await pool.lane("a", 1);
  assert.equal(lane.kind, "first");
  lane.done(false);
  const cold = await pool.lane("d", 1);
  assert.deepEqual([cold.kind, exits], ["cold", ["b"]]);
  cold.opened();
  assert.deepEqual(await pool.close((host) => host !== "c"), ["a"], "one that is busy is ended");
  assert.deepEqual(exits.toSorted(), ["b", "c", "d"]);
  assert.equal(pool.counts().live, 1);
});

test("who stops waiting leaves the queue, and the others are served", async () => {
  const { pool } = poolOf(3);
  const holder = await pool.lane("a", 1);
  const stop = new AbortController();
  const waiting = pool.lane("a", 1, stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
  assert.equal(pool.counts().waiting, 0);
  holder.opened();
  holder.done(false);
  assert.equal(pool.counts().live, 1, "the open connection keeps its place");
});

test("cold starts are limited for each bastion by itself", async () => {
  const starts = new Starts();
  const leaves = [await starts.enter("gate", 2), await starts.enter("gate", 2)];
  let third = false;
  const waiting = starts.enter("gate", 2).then((leave) => ((third = true), leave));
  await starts.enter("other", 2);
  await turn();
  assert.equal(third, false);
  leaves[0]!();
  leaves[0]!();
  (await waiting)();
  assert.equal(third, true);
});
