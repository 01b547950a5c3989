import type { DeploymentInput } from "../deployment/input.ts";
import type { DeploymentOutput } from "../deployment/ports.ts";
import type { WorkflowDef } from "../engine/context.ts";
import type { Plan } from "../plan/model.ts";
import type { SimulatedProcess } from "./process.ts";
import type { SimulatedWorld } from "./world.ts";

/** A Sunny that a program has started within its step: a process of its own, which ends with the program. */
export interface NestedRun {
  /** Its exit status; null while it runs. */
  readonly status: number | null;
  end(): void;
}

/** What it is given: the scope that the step has handed down, and what it is to do. */
export interface NestedSpec {
  readonly token: string;
  readonly plan: Plan;
  /** Tells its positions from those of the process around it, and of others there. */
  readonly name: string;
  readonly defOf: (process: SimulatedProcess) => WorkflowDef<DeploymentInput, DeploymentOutput>;
}

/** Killed, as a shell reports it. */
const KILLED = 137;

/** Starts the plan as a run within the step, as `sunny run` does when it finds a scope. */
export function startNested(world: SimulatedWorld, outer: SimulatedProcess, spec: NestedSpec): NestedRun {
  const { plan, token, name } = spec;
  const process = world.spawn(outer.crash, { outer, name });
  const run = {
    status: null as number | null,
    end: () => process.stop("killed"),
  };
  const settle = (status: number): void => {
    run.status ??= status;
  };
  const def = spec.defOf(process);
  void process.gone.then(() => settle(KILLED));
  const carryOut = async (): Promise<number> => {
    const id = world.nextId();
    process.engine.start(def, {
      id,
      input: { plan },
      actor: plan.author,
      environment: plan.environment,
      within: token,
    });
    const result = await process.engine.execute(id, [def], { actor: plan.author });
    if (result.state !== "done") return 1;
    return (result.output as unknown as DeploymentOutput).outcome === "succeeded" ? 0 : 1;
  };
  // Whatever it cannot do, its status says.
  carryOut().then(settle, () => settle(1));
  return run;
}
