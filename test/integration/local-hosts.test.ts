import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hostFleet } from "../../src/adapters/host/fleet.ts";
import { probeService } from "../../src/adapters/host/probe.ts";
import { localTransport } from "../../src/adapters/local/local-transport.ts";
import { systemClock } from "../../src/clock.ts";
import type { Clock } from "../../src/clock.ts";
import { localWorld, scopeOf, until } from "./local-hosts.support.ts";
import type { World } from "./local-hosts.support.ts";

const code =
  (wanted: string) =>
  (error: unknown): true => {
    assert.equal((error as { code?: string }).code, wanted, String(error));
    return true;
  };

describe("hosts on this machine", { concurrency: true }, () => {
  let world: World;
  const root = (host: string): string => world.system.hosts.find((one) => one.name === host)!.root;
  const names = [
    "first",
    "switch",
    "late",
    "fence",
    "crash",
    "digest",
    "busy",
    "prune",
    "odd",
    "renew",
    "boot",
    "command",
  ];

  before(async () => {
    world = await localWorld(names, ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
  });
  after(() => world.close());

  /** Installs and activates a release for good. */
  async function serve(host: string, index: number, token = 1): Promise<string> {
    const release = world.releases[index]!;
    const turn = `setup/${host}/${index}`;
    await world.fleet.install(host, release, scopeOf(token, `${turn}/install`));
    await world.fleet.activate(host, release.id, { turn, confirmWithinMs: 60_000 }, scopeOf(token, `${turn}/activate`));
    await until(
      () => world.fleet.probe(host),
      (probe) => probe.ok && probe.version === release.version,
    );
    await world.fleet.confirm(host, { turn }, scopeOf(token, `${turn}/confirm`));
    return release.id;
  }

  test("a first activation that nobody confirms ends with nothing running and no link", async () => {
    const release = world.releases[0]!;
    const empty = await world.fleet.read("first");
    assert.deepEqual([empty.active, empty.service, empty.releases, empty.fence], [null, "stopped", [], null]);
    assert.deepEqual(await world.fleet.install("first", release, scopeOf(1, "i")), { installed: true });
    assert.deepEqual(await world.fleet.install("first", release, scopeOf(1, "i", 2)), { installed: false });
    const order = { turn: "t1", confirmWithinMs: 60_000 };
    assert.equal((await world.fleet.activate("first", release.id, order, scopeOf(1, "a"))).state, "pending");
    const running = await world.fleet.read("first");
    assert.equal(running.active?.id, release.id);
    assert.equal(running.service, "running");
    assert.equal(running.pending?.previousId, null);
    // Another turn, so that nothing has to be seen before its second has passed.
    await world.fleet.activate("first", release.id, { turn: "t2", confirmWithinMs: 1_000 }, scopeOf(1, "b"));
    const back = await until(
      () => world.fleet.read("first"),
      (state) => state.pending === null,
    );
    assert.deepEqual([back.active, back.service, back.last?.state], [null, "stopped", "reverted"]);
    assert.equal(back.last?.reason, "not confirmed in time");
    const answer = await world.fleet.confirm("first", { turn: "t2" }, scopeOf(1, "c"));
    assert.deepEqual(answer, { state: "reverted", reason: "not confirmed in time" });
  });

  test("an activation switches one link, is done once a turn, and remembers what was before", async () => {
    const first = await serve("switch", 0);
    const pid = (await world.fleet.read("switch")).pid;
    const second = world.releases[1]!;
    await world.fleet.install("switch", second, scopeOf(1, "i"));
    const order = { turn: "run 1/web%1/turn-1", confirmWithinMs: 60_000 };
    await world.fleet.activate("switch", second.id, order, scopeOf(1, "a"));
    const state = await world.fleet.read("switch");
    assert.ok(lstatSync(join(root("switch"), "current")).isSymbolicLink());
    assert.equal(readlinkSync(join(root("switch"), "current")), `releases/${second.id}`);
    assert.notEqual(state.pid, pid);
    assert.equal(state.pending?.turn, order.turn);
    assert.equal(state.previous?.id, first);
    await world.fleet.activate("switch", second.id, order, scopeOf(1, "a", 2));
    assert.equal((await world.fleet.read("switch")).pid, state.pid, "the same turn does not restart twice");
    await world.fleet.confirm("switch", { turn: order.turn }, scopeOf(1, "c"));
    const confirmed = await world.fleet.read("switch");
    assert.deepEqual([confirmed.pending, confirmed.last?.state, confirmed.previous?.id], [null, "confirmed", first]);
    assert.equal(readFileSync(join(root("switch"), ".sunny", "deadman.pid"), "utf8"), "-\n");
  });

  test("the dead-man goes back by itself when the process that activated was killed", async () => {
    const first = await serve("late", 0);
    const second = world.releases[1]!;
    await world.fleet.install("late", second, scopeOf(1, "i"));
    const module = new URL("./local-hosts.orchestrator.ts", import.meta.url);
    const child = spawn(
      process.execPath,
      [module.pathname, JSON.stringify({ system: world.system, host: "late", id: second.id })],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const [line] = (await new Promise<Buffer[]>((resolve) =>
      child.stdout.once("data", (data: Buffer) => resolve([data])),
    )) as [Buffer];
    assert.equal(line.toString().trim(), "pending");
    child.kill("SIGKILL");
    const back = await until(
      () => world.fleet.read("late"),
      (state) => state.pending === null,
    );
    assert.deepEqual([back.active?.id, back.last?.state], [first, "reverted"]);
    const log = readFileSync(join(root("late"), ".sunny", "activations"), "utf8")
      .trim()
      .split("\n");
    const events = log.filter((line) => line.includes(" orphan ")).map((line) => line.split(" ")[1]);
    assert.deepEqual(events, ["begun", "activated", "reverted"]);
    await until(
      () => world.fleet.probe("late"),
      (probe) => probe.version === "1.0.0",
    );
  });

  test("an exposure goes on as long as it is renewed, and goes back when nobody does", async () => {
    const first = await serve("renew", 0);
    const second = world.releases[1]!;
    await world.fleet.install("renew", second, scopeOf(1, "i"));
    await world.fleet.activate("renew", second.id, { turn: "t", confirmWithinMs: 60_000 }, scopeOf(1, "a"));
    for (const round of [1, 2, 3]) {
      const kept = await world.fleet.confirm("renew", { turn: "t", exposureMs: 60_000 }, scopeOf(1, `c${round}`));
      assert.deepEqual(kept, { state: "confirmed" });
      const state = await world.fleet.read("renew");
      assert.deepEqual([state.pending?.exposure, state.active?.id, state.last?.state], [true, second.id, "confirmed"]);
    }
    await world.fleet.confirm("renew", { turn: "t", exposureMs: 1_000 }, scopeOf(1, "c4"));
    const back = await until(
      () => world.fleet.read("renew"),
      (state) => state.pending === null,
    );
    assert.deepEqual([back.active?.id, back.last?.reason], [first, "nobody watched it in time"]);
  });

  test("an older token, an older attempt and another authority are refused, and nothing changes", async () => {
    const id = await serve("fence", 0, 5);
    const before = readFileSync(join(root("fence"), ".sunny", "activations"), "utf8");
    const order = { turn: "old", confirmWithinMs: 60_000 };
    await assert.rejects(world.fleet.activate("fence", id, order, scopeOf(4, "a")), code("HOST_FENCED"));
    await assert.rejects(world.fleetOf("authority-2").restart("fence", scopeOf(9, "r")), code("HOST_FENCED"));
    await world.fleet.raiseFence("fence", scopeOf(6, "step", 2));
    await assert.rejects(world.fleet.restart("fence", scopeOf(6, "step", 1)), code("HOST_FENCED"));
    assert.equal(readFileSync(join(root("fence"), ".sunny", "activations"), "utf8"), before);
    assert.deepEqual((await world.fleet.read("fence")).fence, { token: 6, authority: "authority-1" });
    assert.deepEqual(await world.fleetOf("authority-2").adopt("fence", scopeOf(1, "adopt")), { from: "authority-1" });
    await world.fleetOf("authority-2").restart("fence", scopeOf(1, "r"));
    await assert.rejects(world.fleet.restart("fence", scopeOf(7, "r")), code("HOST_FENCED"));
  });

  test("a newer token ends what still runs under an older one; a sibling waits for it", async () => {
    const place = root("busy");
    mkdirSync(join(place, ".sunny"), { recursive: true });
    const archive = world.releases[2]!;
    // An installation whose archive never ends: a pipe that nobody closes.
    const fifo = join(world.dir, "endless");
    const { execFileSync } = await import("node:child_process");
    execFileSync("mkfifo", [fifo]);
    const feeder = spawn("sh", ["-c", 'exec 3>"$0"; sleep 60', fifo], { detached: true, stdio: "ignore" });
    const { installScript } = await import("../../src/adapters/host/script-release.ts");
    const fence = { authority: "authority-1", token: 1, key: "k", attempt: 1 };
    const stuck = localTransport(systemClock).run("busy", installScript({ root: place }, fence, archive), {
      deadlineMs: 60_000,
      payloadPath: fifo,
    });
    await until(async () => existsSync(join(place, "releases", `.incoming-${archive.id}`, "archive")), Boolean);
    await world.fleet.raiseFence("busy", scopeOf(2, "other"));
    assert.deepEqual({ ...(await stuck), stderr: "" }, { status: null, stdout: "", stderr: "", ended: "cut" });
    process.kill(-feeder.pid!, "SIGKILL");
    const state = await world.fleet.read("busy");
    assert.deepEqual([state.releases, state.incomplete], [[], [`.incoming-${archive.id}`]]);
    const both = await Promise.all(["a", "b"].map((key) => world.fleet.install("busy", archive, scopeOf(2, key))));
    assert.deepEqual(both.map((one) => one.installed).toSorted(), [false, true]);
  });

  test("a service that crashes at its start is seen as stopped, with its last words in the log", async () => {
    await serve("crash", 0);
    world.setEnv("crash", ["# a comment", "", "CRASH_AT=1.1.0"]);
    const second = world.releases[1]!;
    await world.fleet.install("crash", second, scopeOf(1, "i"));
    await world.fleet.activate("crash", second.id, { turn: "t", confirmWithinMs: 60_000 }, scopeOf(1, "a"));
    await until(
      () => world.fleet.read("crash"),
      (state) => state.service === "stopped",
    );
    assert.match((await world.fleet.serviceLog("crash", 5)).join("\n"), /cannot open the ledger: it is broken/);
    assert.deepEqual(await world.fleet.revert("crash", scopeOf(1, "r")), { reverted: true });
    const probe = await until(
      () => world.fleet.probe("crash"),
      (seen) => seen.ok,
    );
    assert.equal(probe.version, "1.0.0");
    assert.equal((await world.fleet.read("crash")).last?.reason, "on demand");
    const usage = await world.fleet.usage("crash");
    assert.ok(usage !== null && usage.rssBytes > 10_000_000 && usage.limitBytes > usage.rssBytes && usage.cpuMs > 0);
  });

  test("an archive that was altered on the way is refused, and nothing of it stays", async () => {
    const release = world.releases[3]!;
    appendFileSync(release.archivePath, "x");
    await assert.rejects(world.fleet.install("digest", release, scopeOf(1, "i")), code("HOST_DIGEST_MISMATCH"));
    const state = await world.fleet.read("digest");
    assert.deepEqual([state.releases, state.incomplete], [[], []]);
    const order = { turn: "t", confirmWithinMs: 60_000 };
    await assert.rejects(
      world.fleet.activate("digest", release.id, order, scopeOf(1, "a")),
      code("HOST_RELEASE_MISSING"),
    );
    assert.equal((await world.fleet.read("digest")).active, null);
  });

  test("pruning keeps what is active, what was before, and what is protected", async () => {
    const ids = [await serve("prune", 0), await serve("prune", 1), await serve("prune", 2)];
    const done = await world.fleet.prune("prune", { keep: 1, protectedIds: [] }, scopeOf(1, "p"));
    assert.deepEqual(done.removed, [ids[0]]);
    const state = await world.fleet.read("prune");
    assert.deepEqual(state.releases.map((one) => one.id).toSorted(), ids.slice(1));
    assert.equal(state.previous?.id, ids[1]);
  });

  test("a current that is a directory is refused by reading and by switching", async () => {
    mkdirSync(join(root("odd"), "current"));
    writeFileSync(join(root("odd"), "current", "keep"), "");
    await assert.rejects(world.fleet.read("odd"), code("CURRENT_NOT_A_LINK"));
    const order = { turn: "t", confirmWithinMs: 60_000 };
    await assert.rejects(world.fleet.activate("odd", null, order, scopeOf(1, "a")), code("CURRENT_NOT_A_LINK"));
    assert.ok(existsSync(join(root("odd"), "current", "keep")));
    assert.equal(statSync(join(root("odd"), ".sunny")).mode & 0o777, 0o700);
  });

  test("a reboot takes an unconfirmed activation back before the service starts, or at the late confirmation", async () => {
    const first = await serve("boot", 0);
    const second = world.releases[1]!;
    await world.fleet.install("boot", second, scopeOf(1, "i"));
    for (const turn of ["t1", "t2"]) {
      await world.fleet.activate("boot", second.id, { turn, confirmWithinMs: 60_000 }, scopeOf(1, turn));
      const file = join(root("boot"), ".sunny", "pending");
      const before = readFileSync(file, "utf8").trim().split(" ");
      writeFileSync(file, `${[...before.slice(0, 5), "another-boot"].join(" ")}\n`);
      assert.equal((await world.fleet.read("boot")).pending?.remainingMs, 0);
      if (turn === "t1") {
        assert.equal(spawnSync("sh", [join(root("boot"), ".sunny", "deadman"), "boot"]).status, 0);
      }
      const late = await world.fleet.confirm("boot", { turn }, scopeOf(1, `c-${turn}`));
      assert.deepEqual(late, { state: "reverted", reason: "rebooted before it was confirmed" });
      const state = await world.fleet.read("boot");
      assert.deepEqual([state.active?.id, state.pending, state.last?.state], [first, null, "reverted"]);
    }
  });

  test("a service behind commands of its own is started, seen and stopped, and tells why it cannot start", async () => {
    const control = join(world.dir, "svc's control.sh");
    const script = [
      "case $1 in",
      'start) [ ! -e broken ] || { echo "port 80 is not ours" >&2; exit 3; }; setsid sleep 61 >/dev/null 2>&1 & echo $! >pid ;;',
      'stop) kill "$(cat pid)"; rm pid ;;',
      'status) kill -0 "$(cat pid)" && cat pid ;;',
      "esac",
    ];
    writeFileSync(control, script.join("\n"));
    const call = (word: string): string[] => ["sh", control, word];
    const fleet = hostFleet({
      ...world.options,
      system: {
        ...world.system,
        serviceControl: { kind: "command", start: call("start"), stop: call("stop"), status: call("status") },
      },
    });
    await fleet.start("command", scopeOf(1, "s"));
    const running = await fleet.read("command");
    assert.equal(running.service, "running");
    assert.equal(running.pid, Number(readFileSync(join(root("command"), "pid"), "utf8")));
    await fleet.stop("command", scopeOf(1, "t"));
    assert.equal((await fleet.read("command")).service, "stopped");
    writeFileSync(join(root("command"), "broken"), "");
    await assert.rejects(fleet.start("command", scopeOf(1, "u")), (error: Error) => {
      assert.match(error.message, /^command: the start command failed; its log ends with: port 80 is not ours$/);
      return true;
    });
  });

  test("systemd units are asked for their state, stopped and started; a host with no room and a wrong clock is named", async () => {
    const tools = join(world.dir, "tools");
    mkdirSync(tools);
    const tool = (name: string, body: string): void =>
      writeFileSync(join(tools, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    tool(
      "systemctl",
      `echo "$*" >>'${tools}/calls'; case $* in *MainPID*) echo ${process.pid} ;; *"start -- "*) echo "Unit not found." >&2; exit 5 ;; esac`,
    );
    tool("df", "echo Filesystem; echo /dev/vda 100 99 1 99% /");
    tool("date", "echo 1000000000");
    const path = `${tools}:${process.env["PATH"]}`;
    const fleet = hostFleet({
      ...world.options,
      system: { ...world.system, serviceControl: { kind: "systemd", unit: "api's.service", scope: "system" } },
      transport: () => localTransport(systemClock, { PATH: path }),
    });
    const state = await fleet.read("command");
    assert.deepEqual([state.pid, state.service, state.clockMs], [process.pid, "running", 1_000_000_000_000]);
    await assert.rejects(fleet.restart("command", scopeOf(1, "r")), /systemctl start api's.service: Unit not found/);
    assert.match(
      readFileSync(join(tools, "calls"), "utf8"),
      /^stop -- api's.service\nreset-failed -- api's.service\nstart -- api's.service$/m,
    );
    const big = { ...world.releases[0]!, bytes: 5_000 };
    const short = hostFleet({
      ...world.options,
      transport: () => localTransport(systemClock, { PATH: path }),
      releases: { find: async () => [big] },
    });
    await assert.rejects(short.install("command", big, scopeOf(1, "i")), code("HOST_DISK_FULL"));
    assert.deepEqual((await world.fleet.read("command")).incomplete, []);
  });

  test("a health endpoint that hangs is a bad answer after its time-out", async () => {
    const { createServer } = await import("node:net");
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as { port: number };
    const target = { address: "127.0.0.1", port, path: "/health", versionField: "version", timeoutMs: 100 };
    const probe = await probeService(target, systemClock);
    assert.deepEqual([probe.ok, probe.status, probe.reason], [false, 0, "no answer within 100 ms"]);
    silent.close();
    const nobody = await probeService({ ...target, timeoutMs: 60_000, port: 1 }, systemClock);
    assert.match(nobody.reason, /ECONNREFUSED/);
  });

  test("a script that takes too long is ended with everything it started", async () => {
    const begun = join(world.dir, "begun");
    let expire = (): void => {};
    const clock: Clock = {
      ...systemClock,
      timer: (ms, fn, how) => (ms === 60_000 ? ((expire = fn), () => {}) : systemClock.timer(ms, fn, how)),
    };
    const script = `echo "$$"; sleep 61 & : >'${begun}'; sleep 62; echo late`;
    const running = localTransport(clock).run("x", script, { deadlineMs: 60_000 });
    await until(async () => existsSync(begun), Boolean);
    expire();
    const result = await running;
    assert.deepEqual([result.status, result.ended], [null, "deadline"]);
    const group = Number(result.stdout.trim());
    const gone = (): boolean => {
      try {
        return !process.kill(-group, 0);
      } catch {
        return true;
      }
    };
    await until(async () => gone(), Boolean);
  });

  test("a script that was cut off does nothing at all", async () => {
    const { withSentinel, readSentinel } = await import("../../src/operations/rollout/transport.ts");
    const whole = withSentinel(`touch '${world.dir}/half'\nexit 255`, "@m");
    const cut = spawnSync("sh", ["-s"], { input: whole.slice(0, whole.indexOf("exit 255")) });
    assert.equal(existsSync(join(world.dir, "half")), false);
    assert.equal(readSentinel(cut.stdout.toString(), "@m").status, null);
    const full = spawnSync("sh", ["-s"], { input: whole });
    assert.equal(readSentinel(full.stdout.toString(), "@m").status, 255);
  });
});
