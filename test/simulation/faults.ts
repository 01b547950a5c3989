/** What goes wrong in seeded runs besides crashes, decided by streams of its own for every kind and key. */
import { RetryableError, TerminalError } from "../../src/engine/context.ts";
import type { StepScope } from "../../src/engine/context.ts";
import { SunnyError } from "../../src/errors.ts";
import { powerOff, powerOn } from "../../src/rehearsal/hosts.ts";
import type { SimulatedProcess } from "../../src/rehearsal/process.ts";
import { randomOf } from "../../src/rehearsal/random.ts";
import { RUN } from "../../src/rehearsal/trial.ts";
import type { CallFault, Faults, SimulatedWorld } from "../../src/rehearsal/world.ts";

/** Part of all calls with which something goes wrong, in runs that have such faults at all. */
const CALL_FAULTS = 0.015;

/** Faults of single calls, and a disk that can be full. */
export class SeededFaults implements Faults {
  diskFull = false;
  corrupt = false;
  readonly #seed: number;
  readonly #world: SimulatedWorld;
  readonly #isOn: boolean;
  readonly #counts = new Map<string, number>();

  constructor(seed: number, world: SimulatedWorld, isOn: boolean) {
    this.#seed = seed;
    this.#world = world;
    this.#isOn = isOn;
  }

  atCommit(process: SimulatedProcess): Error | undefined {
    // People write their requests from another machine room's terminal; its disk is the same, but they try again.
    if (process === this.#world.processes[0]) return undefined;
    if (this.diskFull) {
      this.#world.suffer("the disk is full");
      return new SunnyError("DISK_FULL", "there is no room left");
    }
    if (!this.corrupt) return undefined;
    this.#world.suffer("the journal is damaged");
    return new SunnyError("JOURNAL_CORRUPT", "the end of the journal is damaged");
  }

  atCall(label: string, scope: StepScope | undefined): CallFault | undefined {
    if (!this.#isOn) return undefined;
    const key = `${scope?.idempotencyKey ?? ""} ${scope?.fence.attempt ?? 0} ${label}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    const random = randomOf(this.#seed, `call ${key} ${count}`);
    if (!random.chance(CALL_FAULTS)) return undefined;
    const suffer = <T>(kind: string, value: T): T => {
      this.#world.suffer(kind);
      return value;
    };
    const unreachable = new RetryableError("HOST_UNREACHABLE", `${label}: no route`);
    if (scope === undefined) return suffer("a read is not answered", { before: unreachable });
    return random.pick<() => CallFault>([
      () => suffer("a target does not answer", { before: unreachable }),
      () => ({ atPart: 1, act: (script) => suffer("a connection is cut, and its script ends", script.end("cut")) }),
      () => suffer("a connection is cut, and its script goes on", { cutAt: 1 }),
      () => ({
        after: () => suffer("an answer is lost", Promise.reject(new Error(`${label}: the answer was lost`))),
      }),
      () => ({ after: (signal) => suffer("a command hangs", untilAborted(signal)) }),
      () =>
        suffer("a target refuses", {
          before: label.startsWith("database")
            ? new TerminalError("DATABASE_UNREACHABLE", `${label}: refused`)
            : new Error(`${label}: something else`),
        }),
    ])();
  }
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal?.aborted === true) reject(signal.reason as Error);
    signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

/** Faults of the world that come at the n-th event and go away after a while. */
export function scheduleWorldFaults(
  seed: number,
  world: SimulatedWorld,
  faults: SeededFaults,
  events: number,
): string[] {
  const random = randomOf(seed, "world faults");
  const planned = new Map<number, (() => void)[]>();
  const names: string[] = [];
  const at = (name: string, act: () => void, undo?: () => void): void => {
    const when = random.int(events) + 1;
    const forMs = random.pick([500, 10_000, 90_000, 700_000]);
    names.push(`${name} at event ${when} for ${forMs} ms`);
    planned.set(when, [
      ...(planned.get(when) ?? []),
      () => {
        act();
        if (undo !== undefined) world.clock.timer(forMs, undo);
      },
    ]);
  };
  const count = random.pick([0, 0, 1, 1, 2]);
  for (let i = 0; i < count; i++) {
    const host = random.pick(world.hosts);
    random.pick([
      () =>
        at(
          `${host.name} dies`,
          () => powerOff(world, host),
          () => powerOn(world, host),
        ),
      () =>
        at(
          `${host.name} cut off`,
          () => (host.reachable = false),
          () => (host.reachable = true),
        ),
      () =>
        at(
          "proxy cut off",
          () => (world.balancer.reachable = false),
          () => (world.balancer.reachable = true),
        ),
      () =>
        at(
          "metrics blind",
          () => (world.blind = true),
          () => (world.blind = false),
        ),
      () =>
        at(
          "database refuses",
          () => (world.database.refuses = true),
          () => (world.database.refuses = false),
        ),
      () =>
        at(
          "disk full",
          () => (faults.diskFull = true),
          () => (faults.diskFull = false),
        ),
      () =>
        at(
          "journal damaged",
          () => (faults.corrupt = true),
          () => (faults.corrupt = false),
        ),
      () => at("clock jumps ahead", () => jump(world, "the clock jumps ahead", random.int(7_200_000))),
      () => at("clock jumps back", () => jump(world, "the clock jumps back", -random.int(7_200_000))),
    ])();
  }
  const before = world.onEvent;
  world.onEvent = (event) => {
    before?.(event);
    for (const act of planned.get(world.events.length) ?? []) world.clock.timer(0, act);
    planned.delete(world.events.length);
  };
  return names;
}

function jump(world: SimulatedWorld, kind: string, ms: number): void {
  world.suffer(kind);
  world.clock.jump(ms);
}

/** Every kind of fault and crash that seeded runs must meet. */
export const KINDS = [
  "killed",
  "orphaned",
  "paused",
  "a stale holder wakes up",
  "nobody takes over",
  "a crash in a recovery",
  "a host is dead",
  "a host is cut off",
  "the proxy is cut off",
  "the metrics are blind",
  "the database refuses",
  "the disk is full",
  "the journal is damaged",
  "the clock jumps ahead",
  "the clock jumps back",
  "a read is not answered",
  "a target does not answer",
  "a target refuses",
  "a connection is cut, and its script ends",
  "a connection is cut, and its script goes on",
  "an answer is lost",
  "a command hangs",
  "a second operator",
  "abort",
  "breach",
  "hold",
  "pause",
] as const;

/** Requests of people and of a second operator at the n-th event. */
export function scheduleRequests(
  seed: number,
  world: SimulatedWorld,
  outside: SimulatedProcess,
  events: number,
  second: () => void,
): string[] {
  const random = randomOf(seed, "requests");
  const names: string[] = [];
  const planned: { readonly when: number; readonly act: () => void }[] = [];
  const request = (name: string, act: () => void): void => {
    const when = random.int(events) + 1;
    names.push(`${name} at event ${when}`);
    planned.push({
      when,
      act: () => {
        if (world.disk.runs.get(RUN)?.endedAt !== null) return;
        world.suffer(name);
        act();
      },
    });
  };
  const interrupt = (kind: "abort" | "breach" | "hold", by: string) => (): void =>
    void outside.engine.interrupt(RUN, { kind, by, detail: null });
  if (random.chance(0.12)) request("abort", interrupt("abort", "operator"));
  if (random.chance(0.08)) request("breach", interrupt("breach", "error rate"));
  if (random.chance(0.08)) request("hold", interrupt("hold", "watcher"));
  if (random.chance(0.1))
    request("pause", () => void outside.engine.request(RUN, { kind: "pause" }, { by: "operator" }));
  if (random.chance(0.15)) request("a second operator", second);
  const before = world.onEvent;
  world.onEvent = (event) => {
    before?.(event);
    for (const { when, act } of planned) if (when === world.events.length) world.clock.timer(0, act);
  };
  return names;
}
