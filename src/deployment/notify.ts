import { StepFailedError, type DurableContext, type WaitOptions } from "../engine/context.ts";
import type { Json } from "../json.ts";
import type { Plan } from "../plan/model.ts";
import type { DeploymentPorts, Notice } from "./ports.ts";

/** Longer than a notifier takes for its slowest channel. */
const TELL_MS = 30_000;

/**
 * Tells people, as a durable step: once, also after a crash. Whoever cannot be told keeps nobody from going on or back:
 * the step's own record says that it failed.
 */
export function notify(ctx: DurableContext, plan: Plan, ports: DeploymentPorts, notice: Notice): Promise<void> {
  const name = notice.key === undefined ? `notify/${notice.event}` : `notify/${notice.event}/${notice.key}`;
  return ctx.shielded(async () => {
    try {
      await ctx.step(
        name,
        async () => {
          await ports.notify(plan, ctx.runId, notice);
          return null;
        },
        { disposition: { kind: "idempotent" }, deadlineMs: TELL_MS },
      );
    } catch (error) {
      if (!(error instanceof StepFailedError)) throw error;
    }
  });
}

/**
 * The same context, in which people are told before the run waits for one of them: whatever asks the question, an
 * operation in the middle of a bake as well as a rollback that stands still.
 */
export function announcing(ctx: DurableContext, plan: Plan, ports: DeploymentPorts): DurableContext {
  return {
    runId: ctx.runId,
    step: (name, fn, options) => ctx.step(name, fn, options),
    parallel: (steps) => ctx.parallel(steps),
    children: (runs) => ctx.children(runs),
    sleep: (name, ms) => ctx.sleep(name, ms),
    async waitFor<T>(name: string, options: WaitOptions = {}) {
      const { held } = options;
      if (held !== undefined) await notify(ctx, plan, ports, heldNotice(ctx.runId, name, held));
      return ctx.waitFor<T>(name, options);
    },
    occupy: (environment) => ctx.occupy(environment),
    now: () => ctx.now(),
    uuid: () => ctx.uuid(),
    shielded: (run) => ctx.shielded(run),
    publish: (status) => ctx.publish(status),
  };
}

function heldNotice(runId: string, signal: string, question: Json): Notice {
  const { what, choices } = (question ?? {}) as { what?: string; choices?: readonly string[] };
  const answer = `sunny resolve ${runId} --as ${choices?.join("|") ?? "CHOICE"} --reason TEXT`;
  return {
    event: "held",
    key: signal,
    text: `${runId} waits for a person: ${what ?? JSON.stringify(question)}`,
    detail: { question, answer },
  };
}
