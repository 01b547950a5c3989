import type { Plan } from "../plan/model.ts";

/** What a run is given; frozen with it. */
export interface DeploymentInput {
  readonly plan: Plan;
}

/** Name and version of the workflow; the version grows with every change that old journals could not be replayed with. */
export const DEPLOYMENT = { name: "deployment", version: 1 } as const;
