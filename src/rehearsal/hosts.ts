import { RetryableError, TerminalError } from "../engine/context.ts";
import type { StepScope } from "../engine/context.ts";
import type {
  Activation,
  Confirmation,
  Fleet,
  HostState,
  InstalledRelease,
  Probe,
} from "../operations/rollout/ports.ts";
import { FencedTarget } from "./fenced-target.ts";
import type { Call, SimulatedProcess } from "./process.ts";
import { originIn, Script } from "./script.ts";
import type { Origin, Parts } from "./script.ts";
import type { SimulatedWorld } from "./world.ts";

interface Pending {
  readonly turn: string;
  readonly releaseId: string | null;
  readonly previousId: string | null;
  exposure: boolean;
  /** On the monotonic clock. */
  until: number;
}

/** One simulated host: what is on its disk, what runs, and what it remembers. */
export interface SimulatedHost {
  readonly name: string;
  /** Where `current` points to; "missing" never happens when it is switched in one step. */
  current: string | null;
  /** The release whose service runs. */
  running: string | null;
  before: string | null;
  releases: string[];
  incomplete: string[];
  pending: Pending | null;
  readonly outcomes: Map<string, Activation>;
  lastTurn: string | null;
  /** Switched on; a dead host runs nothing. */
  up: boolean;
  reachable: boolean;
  readonly fence: FencedTarget;
  /** Who holds its lock. */
  holder: Script<unknown> | null;
}

/** A host that runs the given release, or nothing yet. */
export function newHost(name: string, active: string | null): SimulatedHost {
  return {
    name,
    current: active,
    running: active,
    before: null,
    releases: active === null ? [] : [active],
    incomplete: [],
    pending: null,
    outcomes: new Map(),
    lastTurn: null,
    up: true,
    reachable: true,
    fence: new FencedTarget(),
    holder: null,
  };
}

/** The version in an id of a release. */
export const versionOf = (id: string): string => id.slice(0, id.lastIndexOf("-"));
const installed = (id: string): InstalledRelease => ({ id, version: versionOf(id) });

const LOCK_AGAIN_MS = 50;
const UNPACK_MS = 400;
const STOP_MS = 150;
const SWITCH_MS = 20;
const START_MS = 250;

/** How an activation script may be broken on purpose, to see that this is found. */
export interface HostDefects {
  readonly switchInTwoSteps?: boolean;
}

/** The hosts as a process reaches them. */
export function simulatedFleet(world: SimulatedWorld, process: SimulatedProcess): Fleet {
  const order = <T>(
    name: string,
    what: string,
    scope: StepScope,
    parts: (host: SimulatedHost, origin: Origin) => Parts<T>,
  ) => {
    const host = world.host(name);
    const origin = originIn(scope);
    const call: Call<T> = {
      label: `${name} ${what}`,
      scope,
      enter: (script) => enter(world, host, origin, script),
      *parts() {
        return yield* parts(host, origin);
      },
    };
    return process.call(call);
  };
  const look = async <T>(
    name: string,
    what: string,
    signal: AbortSignal | undefined,
    from: (host: SimulatedHost) => T,
  ): Promise<T> => {
    const asked = `${name} ${what}`;
    world.unread.add(asked);
    const found = await process.read(asked, () => from(world.host(name)), signal);
    world.unread.delete(asked);
    return found;
  };
  const reachable = (host: SimulatedHost): SimulatedHost => {
    assertReachable(world, host);
    return host;
  };
  return {
    read: (name, signal) => look(name, "read", signal, (host) => stateOf(world, reachable(host))),
    install: (name, release, scope) =>
      order(name, `install ${release.version}`, scope, (host, origin) => install(world, host, release.id, origin)),
    activate: (name, id, options, scope) =>
      order(name, `activate ${id === null ? "nothing" : versionOf(id)}`, scope, (host, origin) =>
        activate(world, host, id, options, origin),
      ),
    confirm: (name, options, scope) =>
      order(name, "confirm", scope, (host, origin) => confirm(world, host, options, origin)),
    revert: (name, scope) =>
      order(name, "revert", scope, function* (host) {
        if (host.pending === null) return { reverted: false };
        yield* takeBack(world, host, "on demand");
        return { reverted: true };
      }),
    restart: (name, scope) =>
      order(name, "restart", scope, function* (host, origin) {
        yield* stopService(world, host, origin);
        yield* startService(world, host, origin);
      }),
    stop: (name, scope) => order(name, "stop", scope, (host, origin) => stopService(world, host, origin)),
    start: (name, scope) => order(name, "start", scope, (host, origin) => startService(world, host, origin)),
    prune: (name, { keep, protectedIds }, scope) =>
      order(name, "prune", scope, function* (host, origin) {
        const kept = new Set([host.current, host.before, host.pending?.previousId, ...protectedIds]);
        const old = host.releases.slice(0, Math.max(0, host.releases.length - keep)).filter((id) => !kept.has(id));
        host.releases = host.releases.filter((id) => !old.includes(id));
        host.incomplete = [];
        world.changed(name, "prune", origin);
        yield 5;
        return { removed: old };
      }),
    raiseFence: (name, scope) =>
      // oxlint-disable-next-line require-yield -- entering is all of it
      order(name, "fence", scope, function* () {
        return undefined;
      }),
    adopt: () => Promise.resolve({ from: null }),
    probe: (name, signal) => look(name, "probe", signal, (host) => probeOf(world, host)),
    usage: () => Promise.resolve(null),
    serviceLog: () => Promise.resolve([]),
  };
}

function assertReachable(world: SimulatedWorld, host: SimulatedHost): void {
  if (host.up && host.reachable) return;
  world.suffer(host.up ? "a host is cut off" : "a host is dead");
  throw new RetryableError("HOST_UNREACHABLE", `${host.name}: no route to host`);
}

/** Fence and lock: older work is ended first, and refused from now on. */
function enter(
  world: SimulatedWorld,
  host: SimulatedHost,
  origin: Origin,
  script: Script<unknown>,
): number | undefined {
  assertReachable(world, host);
  if (world.defects.fencing !== false) {
    const refusal = host.fence.refusal(origin);
    if (refusal !== undefined) throw new TerminalError("HOST_FENCED", `${host.name}: ${refusal}`);
    const { holder } = host;
    if (holder?.active === true && holder.origin !== null && FencedTarget.outranks(origin, holder.origin)) {
      holder.end(`a newer holder of the lease ended it`);
    }
  }
  if (host.holder?.active === true) return LOCK_AGAIN_MS;
  host.fence.admit(origin);
  world.contacted(host.name, origin);
  host.holder = script;
  return undefined;
}

function stateOf(world: SimulatedWorld, host: SimulatedHost): HostState {
  const { pending } = host;
  const left = pending === null ? 0 : Math.max(0, pending.until - world.clock.monotonic());
  return {
    host: host.name,
    active: host.current === null || host.current === "missing" ? null : installed(host.current),
    previous: host.before === null ? null : installed(host.before),
    releases: host.releases.map(installed),
    incomplete: [...host.incomplete],
    fence: { token: host.fence.token, authority: world.disk.authority },
    service: host.running === null ? "stopped" : "running",
    pid: host.running === null ? null : 1,
    pending: pending === null ? null : { ...pending, remainingMs: left },
    last: host.lastTurn === null ? null : (host.outcomes.get(host.lastTurn) ?? null),
    freeBytes: 1e10,
    clockMs: world.clock.now(),
  };
}

function probeOf(world: SimulatedWorld, host: SimulatedHost): Probe {
  const ok = host.up && host.reachable && host.running !== null;
  const { answersAs } = world.behaviourOf(host.running);
  const version = ok ? (answersAs ?? versionOf(host.running ?? "")) : null;
  return { ok, status: ok ? 200 : 0, version, latencyMs: 1, reason: ok ? "" : "connect ECONNREFUSED" };
}

function* install(
  world: SimulatedWorld,
  host: SimulatedHost,
  id: string,
  origin: Origin,
): Parts<{ installed: boolean }> {
  if (host.releases.includes(id)) return { installed: false };
  if (!host.incomplete.includes(id)) host.incomplete.push(id);
  world.changed(host.name, `unpack ${versionOf(id)}`, origin);
  yield UNPACK_MS;
  host.incomplete = host.incomplete.filter((one) => one !== id);
  host.releases.push(id);
  world.changed(host.name, `install ${versionOf(id)}`, origin);
  yield 5;
  return { installed: true };
}

function* activate(
  world: SimulatedWorld,
  host: SimulatedHost,
  id: string | null,
  { turn, confirmWithinMs }: { readonly turn: string; readonly confirmWithinMs: number | null },
  origin: Origin,
): Parts<Activation> {
  const known = host.outcomes.get(turn);
  if (known !== undefined && known.state !== "begun") return known;
  if (id !== null && !host.releases.includes(id)) {
    throw new TerminalError("HOST_RELEASE_MISSING", `${host.name}: release ${id} is not completely installed`);
  }
  const active = host.current === "missing" ? null : host.current;
  const previousId = host.pending === null ? active : host.pending.previousId;
  const note = (state: Activation["state"]): Activation => {
    const activation: Activation = { turn, releaseId: id, state, reason: "" };
    host.outcomes.set(turn, activation);
    host.lastTurn = turn;
    return activation;
  };
  note("begun");
  host.pending = null;
  if (confirmWithinMs !== null) arm(world, host, { turn, releaseId: id, previousId, exposure: false }, confirmWithinMs);
  world.changed(host.name, "arm", origin);
  yield 10;
  yield* stopService(world, host, origin);
  if (world.defects.switchInTwoSteps === true) {
    host.current = "missing";
    world.changed(host.name, "unlink", origin);
    yield SWITCH_MS;
  }
  host.current = id;
  world.changed(host.name, `switch to ${id === null ? "nothing" : versionOf(id)}`, origin);
  yield SWITCH_MS;
  yield* startService(world, host, origin);
  const end = note(confirmWithinMs === null ? "confirmed" : "pending");
  if (confirmWithinMs === null) host.before = previousId;
  world.changed(host.name, "activated", origin);
  yield 5;
  return end;
}

function* stopService(world: SimulatedWorld, host: SimulatedHost, origin: Origin | null): Parts<void> {
  if (host.running === null) return;
  host.running = null;
  world.changed(host.name, "stop service", origin);
  yield STOP_MS;
}

function* startService(world: SimulatedWorld, host: SimulatedHost, origin: Origin | null): Parts<void> {
  const id = host.current === "missing" ? null : host.current;
  if (id === null || !host.up) return;
  if (world.behaviourOf(id).crashes !== true) host.running = id;
  world.changed(host.name, `start ${versionOf(id)}`, origin);
  yield START_MS;
}

function* confirm(
  world: SimulatedWorld,
  host: SimulatedHost,
  { turn, exposureMs }: { readonly turn: string; readonly exposureMs?: number },
  origin: Origin,
): Parts<Confirmation> {
  const { pending } = host;
  if (pending?.turn === turn) {
    host.outcomes.set(turn, { turn, releaseId: pending.releaseId, state: "confirmed", reason: "" });
    if (exposureMs === undefined) {
      host.before = pending.previousId;
      host.pending = null;
    } else arm(world, host, { ...pending, exposure: true }, exposureMs);
    world.changed(host.name, exposureMs === undefined ? "confirm" : "expose", origin);
    yield 5;
  }
  const end = host.outcomes.get(turn);
  if (end?.state === "confirmed") return { state: "confirmed" };
  return { state: "reverted", reason: end?.reason ?? "it was superseded or never activated" };
}

/** Arms the dead-man, which needs nobody but the host. */
function arm(world: SimulatedWorld, host: SimulatedHost, pending: Omit<Pending, "until">, ms: number): void {
  const armed: Pending = { ...pending, until: world.clock.monotonic() + ms };
  host.pending = armed;
  world.clock.timer(ms, () => {
    if (host.pending !== armed || !host.up) return;
    const script: Script<void> = new Script(world.clock, {
      origin: null,
      enter: () => {
        if (host.holder?.active === true) return LOCK_AGAIN_MS;
        if (host.pending === armed) host.holder = script as Script<unknown>;
        return undefined;
      },
      *parts() {
        if (host.pending === armed)
          yield* takeBack(world, host, armed.exposure ? "nobody watched it in time" : "not confirmed in time");
      },
    });
    world.scripts.add(script as Script<unknown>);
    script.onEnd(() => world.scripts.delete(script as Script<unknown>));
    script.start();
  });
}

function* takeBack(world: SimulatedWorld, host: SimulatedHost, reason: string): Parts<void> {
  const { pending } = host;
  if (pending === null) return;
  yield* stopService(world, host, null);
  linkBack(host, pending, reason);
  world.changed(host.name, `take back: ${reason}`, null);
  yield SWITCH_MS;
  yield* startService(world, host, null);
}

function linkBack(host: SimulatedHost, { turn, releaseId, previousId }: Pending, reason: string): void {
  host.current = previousId;
  host.outcomes.set(turn, { turn, releaseId, state: "reverted", reason });
  host.pending = null;
}

/** The power fails: whatever ran there is gone. */
export function powerOff(world: SimulatedWorld, host: SimulatedHost): void {
  host.up = false;
  host.running = null;
  host.holder?.end("its host is gone");
  world.changed(host.name, "power off", null);
}

/** What the host does by itself when it starts: an unconfirmed activation goes back, then the service starts. */
export function powerOn(world: SimulatedWorld, host: SimulatedHost): void {
  if (host.up) return;
  host.up = true;
  if (host.pending !== null) linkBack(host, host.pending, "rebooted before it was confirmed");
  if (host.current !== null && host.current !== "missing") host.running = host.current;
  world.changed(host.name, "power on", null);
}
