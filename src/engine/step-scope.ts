import type { StepScope } from "./context.ts";
import { StepOutput } from "./output.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import type { RunContext } from "./run-context.ts";
import { closeScope, openScope, scopeToken } from "./scope.ts";
import { Halted } from "./settling.ts";

export interface Attempt {
  readonly context: RunContext;
  readonly name: string;
  /** From 1. */
  readonly attempt: number;
  /** The same for every attempt at the step. */
  readonly key: string;
  readonly signal: AbortSignal;
}

/** What an attempt at a step is given; `end` is called once it is over, and makes everything of it worthless. */
export function openStepScope({ context, name, attempt, key, signal }: Attempt): {
  readonly scope: StepScope;
  /** @throws Halted */
  end(): void;
} {
  const { execution } = context;
  const { root, actor, ids, scrub, limits } = execution.options;
  const spawned = new Set<ProcessIdentity>();
  const tokens: string[] = [];
  let output: StepOutput | undefined;
  let isOver = false;
  const scope: StepScope = {
    signal,
    idempotencyKey: key,
    fence: { token: execution.token, attempt },
    spawned: (process) => {
      if (execution.halted || isOver) return;
      spawned.add(process);
      execution.registerProcess(process);
    },
    openScope: () => {
      const token = scopeToken(root.id, ids());
      if (execution.halted || isOver) return token;
      tokens.push(token);
      execution.commit((tx) => openScope(tx, root.id, name, token));
      return token;
    },
    requireLease: () => execution.requireLease(),
    log: (text) => {
      if (execution.halted || isOver) return;
      if (output === undefined) {
        const kept = execution.journal.read.outputBytes(context.runId, name);
        output = new StepOutput({ run: context.runId, step: name, attempt }, scrub, limits.outputBytes, kept);
        context.outputs.add(output);
      }
      output.add(text);
      context.outputCame();
    },
  };
  const end = (): void => {
    isOver = true;
    for (const process of spawned) execution.forgetProcess(process);
    if (execution.halted) throw new Halted();
    if (output !== undefined) keep(context, output);
    if (tokens.length === 0) return;
    // Whatever is still under way in them is over before anything else is done under this lease.
    context.commit((tx) => {
      for (const token of tokens) closeScope(tx, root, token, actor, execution.clock.now());
    });
  };
  return { scope, end };
}

/** The output of an attempt goes into the journal with its end. */
function keep(context: RunContext, output: StepOutput): void {
  output.finish();
  context.defer((tx) => output.drain(tx, context.execution.clock.now()));
  context.outputs.delete(output);
}
