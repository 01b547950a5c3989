import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import { conclude } from "./conclude.ts";
import type { WorkflowDef } from "./context.ts";
import { outcomeOf } from "./history.ts";
import { newRun } from "./new-run.ts";
import { asKept } from "./payload.ts";
import type { Outcome } from "./rows.ts";
import type { Place, RunContext } from "./run-context.ts";
import { Halted } from "./settling.ts";
import { versionError } from "./versions.ts";

interface Child {
  readonly def: WorkflowDef<never, unknown>;
  readonly id: string;
  readonly input: unknown;
}

/** Registers child runs, runs those that have not ended, and returns all their outcomes in order. @throws Halted */
export async function runChildren(parent: RunContext, place: Place, children: readonly Child[]): Promise<Outcome[]> {
  if (place.record === undefined) register(parent, place, children);
  parent.watchers.strands = 0;
  const outcomes = await Promise.all(
    children.map(async (child) => {
      const entry = place.record?.entries.find(({ name }) => name === child.id);
      const known = entry === undefined ? undefined : outcomeOf(entry);
      return known ?? runChild(parent, place, child);
    }),
  );
  parent.watchers.strands = 1;
  return outcomes;
}

function register(parent: RunContext, place: Place, children: readonly Child[]): void {
  const { execution, record } = parent;
  const { journal, clock, options } = execution;
  for (const { id } of children) {
    if (journal.read.run(id) === undefined) continue;
    execution.pauseOver(
      new SunnyError("RUN_EXISTS", `Cannot start child run ${id}: there is a run with this id`),
      parent.runId,
    );
    throw new Halted();
  }
  const { root, environment, meta } = record;
  const { actor } = options;
  const runs = children.map(({ def, id, input }) =>
    newRun(def, {
      id,
      root,
      environment,
      actor,
      meta,
      supersedes: null,
      within: null,
      input: asKept(input, options.limits.payloadBytes, `the input of run "${id}"`),
      createdAt: clock.now(),
    }),
  );
  parent.commit((tx) => {
    for (const run of runs) {
      tx.insertRun({ ...run, state: "running" });
      const started = { run: run.id, type: "started", op: null, kind: null, name: null, attempt: 0, actor } as const;
      tx.append({ ...started, data: { workflow: run.workflow, version: run.version, parent: parent.runId } });
      const intent = { run: parent.runId, type: "intent", op: place.op, kind: "children", name: run.id } as const;
      tx.append({ ...intent, attempt: 0, actor, data: { workflow: run.workflow, version: run.version } });
    }
  });
}

async function runChild(parent: RunContext, place: Place, child: Child): Promise<Outcome> {
  const { execution } = parent;
  const record = execution.journal.read.run(child.id);
  if (record === undefined) throw new SunnyError("RUN_UNKNOWN", `Run ${child.id} is missing in the journal`);
  const unfit = versionError(record, [child.def]);
  if (unfit !== undefined) {
    execution.pause(unfit, child.id);
    throw new Halted();
  }
  const context = parent.child(record);
  execution.contexts.add(context);
  execution.touch();
  await execution.refresh();
  const ending = await conclude(context, child.def);
  const outcome: Outcome = ending.ok
    ? { result: "ok", value: ending.output }
    : { result: "failed", error: ending.error };
  context.commit((tx) => {
    const { actor } = execution.options;
    const data: Json = ending.ok ? { output: ending.output } : { error: { ...ending.error } };
    tx.append({ run: child.id, type: "end", op: null, kind: null, name: null, attempt: 0, actor, data });
    tx.updateRun(child.id, {
      ...(ending.ok ? { state: "done", output: ending.output } : { state: "failed", error: ending.error }),
      question: null,
      endedAt: execution.clock.now(),
    });
    tx.append(parent.row("outcome", place.op, "children", child.id, { outcome }));
  });
  execution.contexts.delete(context);
  execution.reconsider();
  return outcome;
}
