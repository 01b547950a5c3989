import type { Clock } from "../clock.ts";
import type { StepScope } from "../engine/context.ts";
import { createEngine } from "../engine/engine.ts";
import type { Engine } from "../engine/engine.ts";
import type { EngineLimits } from "../engine/limits.ts";
import { journalOn } from "../engine/journal.ts";
import type { Journal } from "../engine/journal.ts";
import type { ProcessIdentity } from "../engine/process-identity.ts";
import { originIn, Script } from "./script.ts";
import type { Answer, Parts } from "./script.ts";
import type { SimulatedWorld } from "./world.ts";

/** What a dead process's journal throws: it writes nothing any more. */
export class Died extends Error {
  override readonly name = "Died";
}

/**
 * How an orchestrator goes away: `killed` with everything it has started, `orphaned` when its scripts go on without it,
 * `paused` when it wakes up again beside its successor.
 */
export type CrashMode = "killed" | "orphaned" | "paused";

/** A moment of one process: at its n-th write of the journal, or at its n-th call of a target. */
export interface Moment {
  /** `commit-N` or `call-N`, counted by process from 1. */
  readonly position: string;
  /** `before` and `after` a write; `send`, `part-N` and `answer` of a call. */
  readonly phase: string;
}

/** When an orchestrator dies, and how. */
export interface CrashPlan extends Moment {
  readonly how: CrashMode;
}

/** One effect on the world. */
export interface Call<T> {
  /** What and where, for people: "web-1 activate". */
  readonly label: string;
  /** Absent for what only reads. */
  readonly scope?: StepScope | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly enter?: (script: Script<unknown>) => number | undefined;
  readonly parts: () => Parts<T>;
  /** It ends soon after its process is gone: a program that the process started itself. */
  readonly ownProgram?: boolean;
  /** The process does it itself, so it ends with it, and does not go on while it sleeps. Implies `bounded`. */
  readonly ownHand?: boolean;
  /**
   * The target knows no fence. Nothing protects it from an orchestrator that slept, for longer than the lease covers, just
   * before it began; so that is no part of what is simulated: such a call is never made. Always so for `ownProgram`.
   */
  readonly bounded?: boolean;
}

/** How long a connection takes to notice that its other end has given up. */
const CUT_MS = 20;
/** How long the watchdog of a program takes to see that the process which started it is gone. */
const WATCHDOG_MS = 500;

/** What the engine's bounds are in a simulated world: as in the real one, but asking for rows of others less often. */
const LIMITS: Partial<EngineLimits> = { pollMs: 2_000 };

/** One simulated orchestrator: an engine whose clock, journal and calls can all be stopped from outside. */
export class SimulatedProcess {
  readonly identity: ProcessIdentity;
  readonly engine: Engine;
  readonly journal: Journal;
  /** The process within whose step it acts. */
  readonly outer: SimulatedProcess | null;
  readonly clock: Clock;
  /** Settles when it was killed or paused. */
  readonly gone: Promise<CrashMode>;
  readonly #world: SimulatedWorld;
  readonly #scripts = new Set<Script<unknown>>();
  readonly #programs = new Set<Script<unknown>>();
  readonly #ownHands = new Set<Script<unknown>>();
  #state: "running" | "paused" | "dead" = "running";
  #crash: CrashPlan | undefined;
  readonly #name: string;
  #commits = 0;
  #calls = 0;
  /** What goes on when it wakes up. */
  #waiting: (() => void)[] = [];
  #leave: (how: CrashMode) => void = () => undefined;

  constructor(
    world: SimulatedWorld,
    pid: number,
    crash: CrashPlan | undefined,
    within?: { readonly outer: SimulatedProcess; readonly name: string },
  ) {
    this.#world = world;
    this.outer = within?.outer ?? null;
    this.#name = within === undefined ? "" : `${within.name}-`;
    this.#crash = crash;
    this.identity = { pid, startTime: "1", boot: "boot" };
    this.gone = new Promise((resolve) => {
      this.#leave = resolve;
    });
    this.clock = {
      now: () => world.clock.now(),
      monotonic: () => world.clock.monotonic(),
      timer: (ms, fn) => {
        let cancelled = false;
        const due = (): void => {
          if (!cancelled) this.#whenAwake(fn);
        };
        const cancel = world.clock.timer(ms, due);
        return () => {
          cancelled = true;
          cancel();
        };
      },
    };
    const storage = world.wrapStorage(
      world.disk.connect({ beforeCommit: () => this.#beforeCommit(), afterCommit: () => this.#afterCommit() }),
      this,
    );
    this.journal = journalOn(storage, { clock: this.clock });
    this.engine = createEngine({
      journal: this.journal,
      clock: this.clock,
      owner: this.identity,
      liveness: (other) => world.liveness(other),
      ids: () => world.nextId(),
      limits: LIMITS,
    });
  }

  get state(): "running" | "paused" | "dead" {
    return this.#state;
  }

  /** What is still planned for it, and for whatever acts within its steps. */
  get crash(): CrashPlan | undefined {
    return this.#crash;
  }

  get commits(): number {
    return this.#commits;
  }

  /** Stops it now; only a running one. */
  stop(how: CrashMode): void {
    if (this.#state !== "running") return;
    this.#state = how === "paused" ? "paused" : "dead";
    this.#world.suffer(how);
    for (const script of this.#scripts) {
      if (how === "killed" || this.#ownHands.has(script)) script.end("its orchestrator was killed");
      else if (how === "orphaned" && this.#programs.has(script)) {
        this.#world.clock.timer(WATCHDOG_MS, () => script.end("its watchdog ended it"));
      }
    }
    this.#leave(how);
  }

  wake(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    this.#world.suffer("a stale holder wakes up");
    const waiting = this.#waiting;
    this.#waiting = [];
    // One after the other: what was about to be sent is on its way before a timer finds that the lease is gone.
    for (const fn of waiting) this.#world.clock.timer(0, () => this.#whenAwake(fn));
  }

  /** A crash or a pause happens here when it was planned for this moment. */
  reach(position: string, phase: string, label: string): void {
    if (this.#state !== "running") return;
    this.#world.onMoment?.({ position, phase }, label, this);
    const crash = this.#crash;
    if (crash === undefined || crash.position !== position || crash.phase !== phase) return;
    this.#crash = undefined;
    this.stop(crash.how);
  }

  /** Calls a target. Never settles once the process is dead; while it is paused, neither request nor answer gets through. */
  async call<T>(call: Call<T>): Promise<T> {
    this.#calls += 1;
    const position = `${this.#name}call-${this.#calls}`;
    const { label, scope, signal = scope?.signal } = call;
    this.reach(position, "send", label);
    const isBounded = call.bounded === true || call.ownProgram === true || call.ownHand === true;
    if (isBounded && this.#state === "paused") return new Promise(() => undefined);
    await this.#awake();
    signal?.throwIfAborted();
    // As whatever acts on a target without a fence does, before it begins.
    if (isBounded) scope?.requireLease?.();
    const fault = this.#world.faults?.atCall(label, scope, this);
    if (fault?.before !== undefined) throw fault.before;
    const lost = Promise.withResolvers<Answer<T>>();
    const script = new Script<T>(this.#world.clock, {
      origin: scope === undefined ? null : originIn(scope),
      parts: call.parts,
      onPart: (part) => {
        if (scope !== undefined) this.reach(position, `part-${part}`, label);
        if (fault?.atPart === part) fault.act?.(script as Script<unknown>);
        if (fault?.cutAt !== part) return;
        // A program of one's own has no connection that could be cut while it goes on.
        if (call.ownProgram === true) script.end("it was ended");
        else lost.resolve({ ok: false, error: new Error(`${label}: the connection was lost`) });
      },
      ...(call.enter === undefined ? {} : { enter: call.enter as (script: Script<T>) => number | undefined }),
    });
    if (call.ownProgram === true) this.#programs.add(script as Script<unknown>);
    if (call.ownHand === true) this.#ownHands.add(script as Script<unknown>);
    const answer = await this.#follow(script, signal, lost.promise, call.ownProgram === true);
    this.reach(position, "answer", label);
    await this.#awake();
    if (fault?.after !== undefined) await fault.after(signal);
    if (answer.ok) return answer.value;
    throw answer.error;
  }

  /** Reads something at once. */
  read<T>(label: string, look: () => T, signal?: AbortSignal): Promise<T> {
    return this.call({
      label,
      signal,
      // oxlint-disable-next-line require-yield -- reading takes one part
      *parts() {
        return look();
      },
    });
  }

  async #follow<T>(
    script: Script<T>,
    signal: AbortSignal | undefined,
    lost: Promise<Answer<T>>,
    isProgram: boolean,
  ): Promise<Answer<T>> {
    const known = script as Script<unknown>;
    this.#scripts.add(known);
    this.#world.scripts.add(known);
    script.onEnd(() => {
      this.#scripts.delete(known);
      this.#world.scripts.delete(known);
    });
    const cut = new Promise<Answer<T>>((resolve) => {
      const onAbort = (): void => {
        if (this.#state !== "running") return;
        // The connection is closed: a program of one's own ends, a script on a host may well go on.
        this.#world.clock.timer(CUT_MS, () => {
          if (isProgram) script.end("it was ended");
          this.#whenAwake(() => resolve({ ok: false, error: signal?.reason }));
        });
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      script.onEnd(() => signal?.removeEventListener("abort", onAbort));
    });
    script.start();
    return Promise.race([cut, lost, script.answer]);
  }

  #awake(): Promise<void> {
    if (this.#state === "running") return Promise.resolve();
    return new Promise((resolve) => this.#whenAwake(resolve));
  }

  #whenAwake(fn: () => void): void {
    if (this.#state === "running") fn();
    else if (this.#state === "paused") this.#waiting.push(fn);
  }

  #beforeCommit(): void {
    this.#assertAlive();
    this.#commits += 1;
    this.reach(`${this.#name}commit-${this.#commits}`, "before", "journal");
    this.#assertAlive();
    const fault = this.#world.faults?.atCommit(this);
    if (fault !== undefined) throw fault;
  }

  #afterCommit(): void {
    this.reach(`${this.#name}commit-${this.#commits}`, "after", "journal");
    this.#assertAlive();
  }

  #assertAlive(): void {
    if (this.#state === "dead") throw new Died(`process ${this.identity.pid} is dead`);
  }
}
