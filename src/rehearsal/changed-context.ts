import type { DurableContext, StepCall } from "../engine/context.ts";

/** What is done with every step before the engine sees it. */
export type ChangeStep = <T>(call: StepCall<T>) => StepCall<T>;

/** A context whose steps are changed on their way to the engine: to watch them, or to let one fail. */
export function changedContext(ctx: DurableContext, change: ChangeStep): DurableContext {
  return {
    runId: ctx.runId,
    step: (name, fn, options) => {
      const call = change({ name, fn, options });
      return ctx.step(call.name, call.fn, call.options);
    },
    parallel: (steps) => ctx.parallel(steps.map((step) => change(step))),
    children: (runs) =>
      ctx.children(
        runs.map((run) => ({
          ...run,
          def: { ...run.def, run: (child: DurableContext, input) => run.def.run(changedContext(child, change), input) },
        })),
      ),
    sleep: (name, ms) => ctx.sleep(name, ms),
    waitFor: (name, options) => ctx.waitFor(name, options),
    occupy: (environment) => ctx.occupy(environment),
    now: () => ctx.now(),
    uuid: () => ctx.uuid(),
    shielded: (run) => ctx.shielded(run),
    publish: (status) => ctx.publish(status),
  };
}
