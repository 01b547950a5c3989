import process from "node:process";
import type { Progress } from "../deployment/ports.ts";
import type { RunRecord } from "../engine/storage.ts";
import type { Sunny } from "../main.ts";
import { planSteps, type Plan } from "../plan/model.ts";
import type { CliContext } from "./context.ts";
import { outputOf, planOf } from "./runs.ts";
import { StepTimes } from "./step-times.ts";
import { Tail } from "./tail.ts";
import { Turns } from "./turns.ts";
import type { Environment } from "./view-hosts.ts";
import { viewModel, type ViewInput } from "./view-model.ts";
import { openView, type View } from "./view/view.ts";

/** How often the environment is read for the view, milliseconds. */
const LOOK_MS = 500;

/** Rows of the journal that are taken in at once. */
const ROWS = 10_000;

export interface Following {
  /** Shows the last state and gives the terminal back. */
  stop(): Promise<void>;
}

/** Shows a run live: again after every commit of this process, and on a timer for what other processes and hosts do. */
export function follow(context: CliContext, sunny: Sunny, id: string): Following {
  const shown = new Shown(context, sunny, id);
  let stopped = false;
  let cancel: (() => void) | null = null;
  let looking: Promise<void> = Promise.resolve();

  const look = async (): Promise<void> => {
    await shown.look();
    if (stopped) return;
    shown.show();
    cancel = context.clock.timer(LOOK_MS, () => {
      looking = look();
    });
  };
  // The end is shown once, with the environment as it is then.
  const off = sunny.journal.onCommit(() => {
    if (!stopped && !shown.isOver()) shown.show();
  });
  looking = look();
  return {
    async stop() {
      off();
      stopped = true;
      cancel?.();
      await looking;
      cancel?.();
      await shown.look();
      shown.show();
      shown.close();
    },
  };
}

/** Follows a run that another process carries out, until it has ended or stands still. */
export async function followUntilStill(context: CliContext, sunny: Sunny, id: string): Promise<RunRecord> {
  const view = follow(context, sunny, id);
  try {
    for (;;) {
      const run = recordOf(sunny, id);
      const still = run.endedAt !== null || run.state === "held" || run.state === "paused" || outputOf(run) !== null;
      if (still || context.signal.aborted) return run;
      await new Promise<void>((resolve) => void context.clock.timer(LOOK_MS, resolve));
    }
  } finally {
    await view.stop();
  }
}

/** One run with everything that its view is made of. */
class Shown {
  readonly #context: CliContext;
  readonly #sunny: Sunny;
  readonly #id: string;
  readonly #plan: Plan;
  readonly #view: View;
  readonly #times: StepTimes;
  readonly #turns: Turns;
  readonly #tail: Tail;
  readonly #versions = new Map<string, string>();
  /** What only reads, and is soon over, needs no look at the hosts. */
  readonly #watchesHosts: boolean;
  /** Null until it is loaded, and where nothing is watched. */
  #watch: Awaited<ReturnType<Sunny["watch"]>> | null = null;
  #environment: Environment | null = null;

  constructor(context: CliContext, sunny: Sunny, id: string) {
    this.#context = context;
    this.#sunny = sunny;
    this.#id = id;
    this.#plan = planOf(recordOf(sunny, id));
    const { gates, rollback, system } = this.#plan;
    const back = (rollback?.steps ?? []).map((step) => step.id);
    const steps = planSteps(this.#plan);
    const ids = [...steps.map((step) => step.id), ...back, ...gates.map((gate) => `gate/${gate.id}`)];
    this.#times = new StepTimes(ids, () => context.clock.now());
    this.#tail = new Tail((step) => titleOf(this.#plan, step));
    this.#turns = new Turns(
      system.hosts.map((host) => host.name),
      back,
    );
    this.#watchesHosts = steps.some((step) => step.changes.length > 0);
    this.#view = openView({
      output: context.output,
      terminal: process.stdout,
      clock: context.clock,
      env: context.env,
      noColor: !context.color,
    });
  }

  isOver(): boolean {
    return recordOf(this.#sunny, this.#id).endedAt !== null;
  }

  /** Reads the environment. */
  async look(): Promise<void> {
    if (this.#plan.rules.length > 0) this.#watch ??= await this.#sunny.watch();
    if (!this.#watchesHosts) return;
    const at = this.#context.clock.now();
    const found = await this.#sunny.environment();
    for (const [host, probe] of found.probes) {
      if (typeof probe?.version === "string") this.#versions.set(host, probe.version);
    }
    this.#environment = { ...found, at, versions: this.#versions };
  }

  show(): void {
    this.#view.update(viewModel(this.#read()));
  }

  close(): void {
    this.#view.close();
  }

  #read(): ViewInput {
    const { read } = this.#sunny.journal;
    const rows = read.rowsAfter(this.#times.lastSeq, this.#id, ROWS);
    this.#times.add(rows);
    this.#turns.add(rows);
    this.#tail.add(read.output(this.#id, null, this.#tail.lastSeq));
    this.#tail.addNotes(this.#watch?.notes ?? []);
    const monitor = this.#watch?.snapshot(this.#id) ?? null;
    return {
      run: recordOf(this.#sunny, this.#id),
      plan: this.#plan,
      progress: (read.status(this.#id)?.value ?? null) as unknown as Progress | null,
      times: this.#times,
      turns: this.#turns,
      environment: this.#environment,
      monitor,
      log: this.#tail.lines,
      now: this.#context.clock.now(),
    };
  }
}

/** The title of the plan step that a durable step belongs to. */
function titleOf(plan: Plan, name: string): string {
  const steps = [...planSteps(plan), ...(plan.rollback?.steps ?? [])];
  const owners = steps.filter(({ id }) => name === id || name.startsWith(`${id}/`));
  return owners.toSorted((a, b) => b.id.length - a.id.length)[0]?.title ?? name;
}

function recordOf(sunny: Sunny, id: string): RunRecord {
  const run = sunny.journal.read.run(id);
  if (run === undefined) throw new Error(`the run ${id} has left the journal`);
  return run;
}
