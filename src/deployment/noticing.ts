import type { DurableContext, StepOptions } from "../engine/context.ts";

/** The same context, which calls `onChange` before everything that may change something: what only reads does not count. */
export function noticing(ctx: DurableContext, onChange: () => void): DurableContext {
  const notice = ({ disposition }: Pick<StepOptions<never>, "disposition">): void => {
    if (disposition.kind !== "idempotent" || disposition.readOnly !== true) onChange();
  };
  return {
    runId: ctx.runId,
    step: (name, fn, options) => {
      notice(options as unknown as StepOptions<never>);
      return ctx.step(name, fn, options);
    },
    parallel: (steps) => {
      for (const { options } of steps) notice(options as unknown as StepOptions<never>);
      return ctx.parallel(steps);
    },
    children: (runs) => {
      onChange();
      return ctx.children(runs);
    },
    sleep: (name, ms) => ctx.sleep(name, ms),
    waitFor: (name, options) => ctx.waitFor(name, options),
    occupy: (environment) => ctx.occupy(environment),
    now: () => ctx.now(),
    uuid: () => ctx.uuid(),
    shielded: (run) => ctx.shielded(run),
    publish: (status) => ctx.publish(status),
  };
}
