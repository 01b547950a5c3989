import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { buildInterval } from "../../src/analysis/intervals.ts";
import type { MetricSource } from "../../src/analysis/metrics.ts";
import type { Rule } from "../../src/analysis/rule.ts";
import { systemClock } from "../../src/clock.ts";
import { withHostReadings } from "../../src/operations/monitor/host-readings.ts";
import type { StoredRelease } from "../../src/operations/rollout/ports.ts";
import type { Transport } from "../../src/operations/rollout/transport.ts";
import { startCutter } from "../support/cutter.ts";
import type { Cutter } from "../support/cutter.ts";
import { without } from "../support/programs.ts";
import { scopeOf, until } from "./local-hosts.support.ts";
import { psCount, sshWorld } from "./ssh.support.ts";
import type { SshWorld } from "./ssh.support.ts";

const code = (wanted: string, words?: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, wanted, String(error));
  if (words !== undefined) assert.match(String(error), words);
  return true;
};

/** Known among all processes of the machine by its length. */
const SLOW = `sleep 600.${process.pid}`;

/** What lies under a directory, as a map from path to kind, mode and content. */
function tree(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted()) {
    const stat = lstatSync(path.join(root, name));
    if (stat.isSymbolicLink()) found[name] = `-> ${readlinkSync(path.join(root, name))}`;
    else if (stat.isFile())
      found[name] = `${(stat.mode & 0o777).toString(8)} ${readFileSync(path.join(root, name), "base64")}`;
    else found[name] = "directory";
  }
  delete found[".sunny-release"];
  return found;
}

describe("hosts over SSH", { skip: without("sshd", "ssh", "ssh-keygen") }, () => {
  let world: SshWorld;
  let one: StoredRelease;
  let two: StoredRelease;
  const many: Record<string, Buffer> = {};
  before(async () => {
    const names = [
      "plain",
      "delta",
      "shape",
      "altered",
      "wire",
      "resume",
      "damaged",
      "full",
      "odd",
      "fence",
      "cut",
      "late",
      "clock",
    ];
    world = await sshWorld(names);
    for (let at = 0; at < 800; at++) many[`lib/part-${at % 20}/file-${at}.js`] = randomBytes(4_000);
    one = await world.release("1.0.0", many);
    two = await world.release("1.1.0", { ...many, "lib/part-3/file-3.js": randomBytes(4_000) });
  });
  after(() => world.close());

  const dirOf = (host: string, release: StoredRelease): string => path.join(world.root(host), "releases", release.id);
  const leftovers = (host: string): string[] =>
    readdirSync(path.join(world.root(host), "releases")).filter((name) => name.startsWith(".") && name !== ".clock");

  /** A fleet over a wire that can be cut. */
  async function wired(host: string): Promise<{ wire: Cutter; transport: ReturnType<SshWorld["transportOf"]> }> {
    const { connection } = world.system.hosts.find((one) => one.name === host)!;
    assert.ok(connection.kind === "ssh");
    const wire = await startCutter({ host: connection.address, port: connection.port });
    const key = world.sshd.knownHosts().split("\n")[0]!.replace(/^\S+/, `[127.0.0.1]:${wire.port}`);
    appendFileSync(world.knownHostsFile, `${key}\n`);
    const target = { ...connection, address: "127.0.0.1", port: wire.port };
    return { wire, transport: world.transportOf({ target: () => target }) };
  }

  async function serve(host: string, release: StoredRelease, key: string, fleet = world.fleet): Promise<void> {
    await fleet.install(host, release, scopeOf(1, `${key}/install`));
    await fleet.activate(host, release.id, { turn: key, confirmWithinMs: 60_000 }, scopeOf(1, `${key}/activate`));
    await until(
      () => fleet.probe(host),
      (probe) => probe.ok && probe.version === release.version,
    );
    await fleet.confirm(host, { turn: key }, scopeOf(1, `${key}/confirm`));
  }

  test("a release arrives, runs and is confirmed; the next one sends at least fifty times less", async () => {
    const transport = world.transportOf({});
    const fleet = world.fleetOf({ transport });
    await serve("plain", one, "p1", fleet);
    const first = transport.counts().sentBytes;
    await serve("plain", two, "p2", fleet);
    const second = transport.counts().sentBytes - first;
    assert.ok(first > 3_200_000 && second * 50 <= first, `${first} bytes, then ${second}`);
    const state = await fleet.read("plain");
    assert.deepEqual([state.active?.id, state.previous?.id, state.incomplete], [two.id, one.id, []]);
    assert.deepEqual(await fleet.install("plain", two, scopeOf(1, "again")), { installed: false });
    assert.equal(transport.counts().connections, 1, "everything went over one connection");
  });

  test("the first hosts confirm over a fresh connection", async () => {
    const transport = world.transportOf({});
    const fleet = world.fleetOf({ transport });
    await fleet.read("plain");
    const connections = transport.counts().connections;
    await fleet.confirm("plain", { turn: "p2", exposureMs: 60_000 }, scopeOf(1, "fresh"));
    assert.equal(transport.counts().connections, connections + 1);
    assert.equal((await fleet.read("plain")).active?.id, two.id);
  });

  test("CPU and memory that no metric has are read over the connection that is there, and watched", async () => {
    const transport = world.transportOf({});
    const fleet = world.fleetOf({ transport });
    const silent: MetricSource = {
      name: "requests alone",
      read: async (hosts) => hosts.map((host) => ({ host, at: systemClock.now(), mode: "cumulative", requests: 1 })),
    };
    const source = withHostReadings(silent, (host, signal) => fleet.usage(host, signal));
    const rules = (["cpu", "memory"] as const).map((resource): Rule => {
      return { id: resource, title: resource, kind: "usage", resource, share: 0.5, limit: 0.8 };
    });
    const arms = { canary: ["plain"], baseline: [] };
    const never = new AbortController().signal;
    const before = buildInterval(rules, arms, {}, await source.read(arms.canary, never), systemClock.now());
    const { intervals } = buildInterval(rules, arms, before.samples, await source.read(arms.canary, never), Infinity);
    for (const { rule, canary } of intervals) {
      assert.ok(canary.kind === "level" && canary.value < 1, `${rule}: ${JSON.stringify(canary)}`);
      assert.ok(rule === "cpu" ? canary.value >= 0 : canary.value > 0);
    }
    assert.equal(transport.counts().connections, 1);
  });

  test("what changed place, mode or kind, and what is gone, is the same as after a whole transfer", async () => {
    const shape = {
      "it's odd/ü $HOME `x`.txt": "same",
      "bin/run": "#!/bin/sh\n",
      "gone/deep/file.txt": "gone",
      "old/place.bin": randomBytes(50_000),
      "big.bin": randomBytes(100_000),
    };
    const before = await world.release("2.0.0", shape);
    const { "gone/deep/file.txt": _, "old/place.bin": moved, ...kept } = shape;
    const source = path.join(world.dir, "source", "2.1.0");
    mkdirSync(path.join(source, "bin"), { recursive: true });
    writeFileSync(path.join(source, "bin", "run"), "");
    chmodSync(path.join(source, "bin", "run"), 0o755);
    symlinkSync("server.mjs", path.join(source, "main"));
    const after = await world.release("2.1.0", { ...kept, "new place/for it.bin": moved });
    await world.fleet.install("shape", before, scopeOf(1, "s1"));
    const transport = world.transportOf({});
    await world.fleetOf({ transport }).install("shape", after, scopeOf(1, "s2"));
    assert.ok(transport.counts().sentBytes < 30_000, `${transport.counts().sentBytes} bytes`);
    await world.fleet.install("delta", after, scopeOf(1, "s3"));
    const expected = tree(dirOf("delta", after));
    assert.deepEqual(tree(dirOf("shape", after)), expected);
    assert.equal(expected["main"], "-> server.mjs");
    assert.match(expected["bin/run"] ?? "", /^755 /);
    assert.equal(tree(dirOf("shape", before))["gone/deep/file.txt"], `644 ${Buffer.from("gone").toString("base64")}`);
  });

  test("a release that was altered on the host is not built upon", async () => {
    await world.fleet.install("altered", one, scopeOf(1, "a1"));
    appendFileSync(path.join(dirOf("altered", one), "lib/part-5/file-5.js"), "// patched by hand");
    await world.fleet.install("altered", two, scopeOf(1, "a2"));
    await world.fleet.install("delta", two, scopeOf(1, "a3"));
    assert.deepEqual(tree(dirOf("altered", two)), tree(dirOf("delta", two)));
    assert.deepEqual(leftovers("altered"), []);
  });

  test("an archive that is altered on the way is refused, and nothing of it stays", async () => {
    const altering: Transport = {
      run(host, script, options) {
        if (options.payloadPath === undefined) return world.transport.run(host, script, options);
        const bytes = readFileSync(options.payloadPath);
        bytes[bytes.length >> 1]! ^= 1;
        const payloadPath = path.join(world.dir, "altered-payload");
        writeFileSync(payloadPath, bytes);
        return world.transport.run(host, script, { ...options, payloadPath });
      },
    };
    const install = world.fleetOf({ transport: altering }).install("wire", one, scopeOf(1, "w1"));
    await assert.rejects(install, code("HOST_DIGEST_MISMATCH", /wire: release 1\.0\.0-\w+ arrived with digest/));
    assert.deepEqual(readdirSync(path.join(world.root("wire"), "releases")), []);
    assert.equal((await world.fleet.read("wire")).active, null);
  });

  test("a transfer that is cut goes on where it stopped", async () => {
    const { wire, transport } = await wired("resume");
    const fleet = world.fleetOf({ transport });
    await fleet.read("resume");
    const cut = cutInTransfer("resume", wire, fleet.install("resume", one, scopeOf(1, "r1")));
    await assert.rejects(cut, code("HOST_SCRIPT_LOST", /resume: .*cut off/));
    assert.deepEqual((await fleet.read("resume")).releases, []);
    const sent = wire.passed();
    assert.deepEqual(await fleet.install("resume", one, scopeOf(1, "r1", 2)), { installed: true });
    assert.ok(wire.passed() - sent < one.bytes - 300_000, `${wire.passed() - sent} of ${one.bytes} bytes`);
    await world.fleet.install("delta", one, scopeOf(1, "r2"));
    assert.deepEqual(tree(dirOf("resume", one)), tree(dirOf("delta", one)));
    assert.deepEqual(leftovers("resume"), []);
    await transport.close();
    await wire.close();
  });

  test("a first part that was damaged meanwhile is sent again", async () => {
    const { wire, transport } = await wired("damaged");
    const fleet = world.fleetOf({ transport });
    await fleet.read("damaged");
    const cut = cutInTransfer("damaged", wire, fleet.install("damaged", one, scopeOf(1, "d1")));
    await assert.rejects(cut, code("HOST_SCRIPT_LOST"));
    const incoming = path.join(world.root("damaged"), "releases", `.incoming-${one.id}`);
    const [part = ""] = readdirSync(incoming);
    const bytes = readFileSync(path.join(incoming, part));
    bytes[1000]! ^= 0xff;
    writeFileSync(path.join(incoming, part), bytes);
    assert.deepEqual(await fleet.install("damaged", one, scopeOf(1, "d1", 2)), { installed: true });
    await transport.close();
    await wire.close();
  });

  test("a host without room refuses, names itself and keeps what it had", { skip: withoutRoot() }, async () => {
    const releases = path.join(world.root("full"), "releases");
    mkdirSync(releases, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", releases]);
    try {
      // Too large by what the host says beforehand, and too large by what it does not.
      await assert.rejects(world.fleet.install("full", one, scopeOf(1, "f1")), code("HOST_DISK_FULL", /full: no room/));
      const lying: Transport = {
        run: (host, script, options) =>
          world.transport.run(host, script.replace(/^kilobytes=\d+$/m, "kilobytes=0"), options),
      };
      const install = world.fleetOf({ transport: lying }).install("full", one, scopeOf(1, "f2"));
      await assert.rejects(install, code("HOST_DISK_FULL", /full: no room/));
      assert.deepEqual(readdirSync(releases), []);
    } finally {
      execFileSync("umount", [releases]);
    }
  });

  test("a current that is a directory is left alone", async () => {
    await world.fleet.install("odd", one, scopeOf(1, "o1"));
    mkdirSync(path.join(world.root("odd"), "current"));
    const activate = world.fleet.activate("odd", one.id, { turn: "o", confirmWithinMs: 60_000 }, scopeOf(1, "o2"));
    await assert.rejects(activate, code("CURRENT_NOT_A_LINK", /odd: /));
    assert.ok(statSync(path.join(world.root("odd"), "current")).isDirectory());
  });

  test("an orchestrator with another state directory, or an older token, changes nothing", async () => {
    await world.fleet.install("fence", one, scopeOf(5, "f1"));
    const stranger = world.fleetOf({ authority: "authority-2" });
    await assert.rejects(
      stranger.install("fence", two, scopeOf(9, "s1")),
      code("HOST_FENCED", /belongs to authority authority-1/),
    );
    await assert.rejects(world.fleet.install("fence", two, scopeOf(4, "f2")), code("HOST_FENCED", /seen token 5/));
    assert.deepEqual(
      (await world.fleet.read("fence")).releases.map((release) => release.id),
      [one.id],
    );
    assert.deepEqual(leftovers("fence"), []);
  });

  test("an activation that is cut in the middle is found and carried out by the next attempt", async () => {
    await serve("cut", one, "c1");
    await world.fleet.install("cut", two, scopeOf(1, "c2/install"));
    const { wire, transport } = await wired("cut");
    const fleet = world.fleetOf({ transport });
    slowStart("cut");
    const order = { turn: "c2", confirmWithinMs: 60_000 };
    const cut = fleet.activate("cut", two.id, order, scopeOf(1, "c2/activate"));
    await until(async () => existsSync(path.join(world.root("cut"), "reached")), Boolean);
    wire.cut();
    await assert.rejects(cut, code("HOST_SCRIPT_LOST"));
    await until(
      async () => psCount(SLOW),
      (seen) => seen === 0,
    );
    quickStart("cut");
    const between = await fleet.read("cut");
    assert.deepEqual([between.last?.state, between.pending?.releaseId], ["begun", two.id]);
    const done = await fleet.activate("cut", two.id, order, scopeOf(1, "c2/activate", 2));
    assert.equal(done.state, "pending");
    await until(
      () => fleet.probe("cut"),
      (probe) => probe.version === two.version,
    );
    // A confirmation whose answer is lost is asked for again and says the same.
    assert.deepEqual(await fleet.confirm("cut", { turn: "c2" }, scopeOf(1, "c2/confirm")), { state: "confirmed" });
    wire.cut();
    const again = (attempt: number): ReturnType<typeof fleet.confirm> =>
      fleet.confirm("cut", { turn: "c2" }, scopeOf(1, "c2/confirm", attempt));
    assert.deepEqual(await again(2).catch(() => again(3)), { state: "confirmed" });
    await transport.close();
    await wire.close();
  });

  test("when the connection and whoever held it are gone, the host goes back by itself", async () => {
    await serve("late", one, "l1");
    await world.fleet.install("late", two, scopeOf(1, "l2/install"));
    const { wire, transport } = await wired("late");
    const fleet = world.fleetOf({ transport });
    await fleet.activate("late", two.id, { turn: "l2", confirmWithinMs: 1_500 }, scopeOf(1, "l2/activate"));
    await transport.close();
    await wire.close();
    const back = await until(
      () => world.fleet.read("late"),
      (state) => state.active?.id === one.id && state.service === "running",
    );
    assert.deepEqual([back.last?.state, back.last?.reason], ["reverted", "not confirmed in time"]);
    await until(
      () => world.fleet.probe("late"),
      (probe) => probe.version === one.version,
    );
    const confirm = await world.fleet.confirm("late", { turn: "l2" }, scopeOf(1, "l2/confirm"));
    assert.deepEqual(confirm, { state: "reverted", reason: "not confirmed in time" });
  });

  test("a host whose clock is an hour off is deployed to like any other, and its clock is told", async () => {
    const fake = path.join(world.dir, "fake");
    mkdirSync(fake, { recursive: true });
    const real = execFileSync("sh", ["-c", "command -v date"], { encoding: "utf8" }).trim();
    writeFileSync(path.join(fake, "date"), `#!/bin/sh\necho $(($('${real}' +%s) + 3600))\n`, { mode: 0o755 });
    const off: Transport = {
      run: (host, script, options) =>
        world.transport.run(host, `PATH='${fake}':$PATH\nexport PATH\n${script}`, options),
    };
    const fleet = world.fleetOf({ transport: off });
    await serve("clock", one, "k1", fleet);
    await fleet.install("clock", two, scopeOf(1, "k2/install"));
    await fleet.activate("clock", two.id, { turn: "k2", confirmWithinMs: 60_000 }, scopeOf(1, "k2/activate"));
    const state = await fleet.read("clock");
    assert.ok(Math.abs(state.clockMs - Date.now() - 3_600_000) < 60_000);
    assert.ok(state.pending !== null && state.pending.remainingMs > 0 && state.pending.remainingMs <= 60_000);
    await fleet.activate("clock", two.id, { turn: "k3", confirmWithinMs: 1_000 }, scopeOf(1, "k3/activate"));
    await until(
      () => fleet.read("clock"),
      (seen) => seen.active?.id === one.id && seen.pending === null,
    );
  });

  /** Lets part of a release through, waits until the host has some of it, and cuts. */
  async function cutInTransfer(host: string, wire: Cutter, transfer: Promise<unknown>): Promise<unknown> {
    wire.stallAfter(1_000_000);
    transfer.catch(() => {});
    const incoming = path.join(world.root(host), "releases", `.incoming-${one.id}`);
    const size = async (): Promise<number> => {
      const [part] = existsSync(incoming) ? readdirSync(incoming) : [];
      return part === undefined ? 0 : statSync(path.join(incoming, part)).size;
    };
    await until(size, (seen) => seen > 500_000);
    wire.cut();
    return transfer;
  }

  /** The service's environment is read by its start command, which can be made to wait there. */
  function slowStart(host: string): void {
    const root = world.root(host);
    writeFileSync(path.join(root, "slow"), "");
    const wait = `if [ -e "$root/slow" ]; then : >"$root/reached"; ${SLOW}; fi\n`;
    appendFileSync(path.join(root, "shared", "service.env"), wait);
  }
  function quickStart(host: string): void {
    rmSync(path.join(world.root(host), "slow"));
  }
});

function withoutRoot(): string | false {
  return process.getuid?.() === 0 ? false : "needs root to mount a small file system";
}
