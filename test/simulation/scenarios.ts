/** Every way through the workflow that the simulation crashes at each of its positions. */
import type { InterruptReason } from "../../src/engine/context.ts";
import { RUN } from "../../src/rehearsal/trial.ts";
import type { SimulatedProcess } from "../../src/rehearsal/process.ts";
import type { SimulatedWorld } from "../../src/rehearsal/world.ts";
import type { Plan } from "../../src/plan/model.ts";
import { NEW, OLD, planFor } from "./environment.ts";
import type { EnvironmentOptions, Wanted } from "./environment.ts";

export interface Scenario {
  readonly name: string;
  readonly environment: EnvironmentOptions;
  /** What the run without a crash ends with. */
  readonly outcome: "succeeded" | "rolled-back" | "refused";
  plan(): Promise<Plan>;
  /** What commands of somebody else's do with Sunny within their step, by the command. */
  nested?(): Promise<ReadonlyMap<string, readonly Plan[]>>;
  /** Requests of people and of the watcher, pinned to what happens in the world and not to a time. */
  readonly requests?: readonly Pinned[];
}

interface Pinned {
  /** An event of the world, as `SimulatedWorld.events` has it. */
  readonly after: string;
  readonly interrupt: InterruptReason["kind"];
  readonly by: string;
}

const HOSTS = 3;
const deployed: EnvironmentOptions = { hosts: HOSTS, active: OLD };

const deploy = (
  name: string,
  outcome: Scenario["outcome"],
  options: Partial<Scenario> & { environment?: EnvironmentOptions },
): Scenario => {
  const { environment = deployed } = options;
  return { name, environment, outcome, plan: () => planFor(environment, { kind: "deploy" }), ...options };
};

/** Puts a command of somebody else's between two phases. */
const withCommand = (text: string): string =>
  text.replace("./scripts/verify-migrations.sh", "./scripts/verify-migrations.sh\nfoo-cache warm");

function byHand(name: string, wanted: Wanted, environment: EnvironmentOptions = deployed): Scenario {
  return { name, environment, outcome: "succeeded", plan: () => planFor(environment, wanted) };
}

/** Deploys with a command that calls operations of Sunny, which then act within its step. */
function calling(
  name: string,
  outcome: Scenario["outcome"],
  wanted: readonly Wanted[],
  more: Partial<EnvironmentOptions> = {},
): Scenario {
  const environment: EnvironmentOptions = { ...deployed, ...more };
  return deploy(name, outcome, {
    environment,
    plan: () => planFor(environment, { kind: "deploy" }, withCommand),
    nested: async () =>
      new Map([["foo-cache warm", await Promise.all(wanted.map((one) => planFor(environment, one)))]]),
  });
}

const renewal: Wanted = { kind: "operation", name: "renew-ssl", args: {} };
const restart: Wanted = { kind: "operation", name: "restart-service", args: { _: ["payments"] } };

const back: EnvironmentOptions = { hosts: HOSTS, active: NEW };

export const SCENARIOS: readonly Scenario[] = [
  deploy("deploy", "succeeded", {}),
  deploy("deploy-fails-at-the-end", "rolled-back", { environment: { ...deployed, behaviour: { publicStatus: 500 } } }),
  deploy("deploy-canary-degraded", "rolled-back", { environment: { ...deployed, behaviour: { worse: true } } }),
  deploy("deploy-release-crashes", "rolled-back", { environment: { ...deployed, behaviour: { crashes: true } } }),
  deploy("deploy-aborted", "rolled-back", {
    requests: [{ after: "web-2: switch to 2.1.0", interrupt: "abort", by: "operator" }],
  }),
  deploy("deploy-aborted-in-migration", "rolled-back", {
    requests: [{ after: "database: apply 0002_refunds", interrupt: "abort", by: "operator" }],
  }),
  deploy("deploy-aborted-before-commit", "rolled-back", {
    requests: [{ after: "database: begin apply 0002_refunds", interrupt: "abort", by: "operator" }],
  }),
  deploy("deploy-aborted-in-infrastructure", "rolled-back", {
    requests: [{ after: "infrastructure: apply begins", interrupt: "abort", by: "operator" }],
  }),
  deploy("deploy-breach", "rolled-back", {
    requests: [{ after: "proxy: web-3 ready 100", interrupt: "breach", by: "error rate" }],
  }),
  deploy("deploy-held", "succeeded", {
    requests: [{ after: "proxy: web-1 ready 22", interrupt: "hold", by: "watcher" }],
  }),
  deploy("deploy-held-in-batch", "succeeded", {
    requests: [{ after: "web-2: arm", interrupt: "hold", by: "watcher" }],
  }),
  deploy("deploy-held-while-drained", "succeeded", {
    requests: [{ after: "proxy: web-3 drain 100", interrupt: "hold", by: "watcher" }],
  }),
  deploy("deploy-aborted-in-rollback", "rolled-back", {
    environment: { ...deployed, behaviour: { publicStatus: 500 } },
    requests: [{ after: "web-2: switch to 2.0.0", interrupt: "abort", by: "operator" }],
  }),
  deploy("deploy-aborted-in-drain", "rolled-back", {
    requests: [{ after: "proxy: web-2 drain 100", interrupt: "abort", by: "operator" }],
  }),
  deploy("deploy-aborted-in-install", "rolled-back", {
    requests: [{ after: "web-2: unpack 2.1.0", interrupt: "abort", by: "operator" }],
  }),
  deploy("deploy-first", "succeeded", { environment: { hosts: HOSTS, active: null } }),
  deploy("deploy-first-taken-back", "rolled-back", {
    environment: { hosts: HOSTS, active: null },
    requests: [{ after: "web-2: switch to 2.1.0", interrupt: "abort", by: "operator" }],
  }),
  deploy("deploy-two-at-once", "succeeded", { environment: { hosts: 4, active: OLD, rollout: { maxUnavailable: 2 } } }),
  deploy("deploy-with-command", "succeeded", { plan: () => planFor(deployed, { kind: "deploy" }, withCommand) }),
  {
    name: "rollback",
    environment: back,
    outcome: "succeeded",
    plan: () => planFor(back, { kind: "rollback", gradual: null }),
  },
  {
    name: "rollback-aborted",
    environment: back,
    outcome: "succeeded",
    plan: () => planFor(back, { kind: "rollback", gradual: null }),
    requests: [{ after: "web-2: switch to 2.0.0", interrupt: "abort", by: "operator" }],
  },
  {
    name: "rollback-gradual",
    environment: back,
    outcome: "succeeded",
    plan: () => planFor(back, { kind: "rollback", gradual: { version: OLD.version } }),
  },
  calling("deploy-nested", "succeeded", [renewal, restart], { certificate: "due" }),
  calling("deploy-nested-taken-back", "rolled-back", [renewal], {
    certificate: "due",
    behaviour: { publicStatus: 500 },
  }),
  byHand("restart", restart),
  byHand("backup", { kind: "operation", name: "backup-databases", args: {} }),
  byHand("reset-connections", { kind: "operation", name: "reset-db-connections", args: {} }),
  byHand("renew", renewal, { ...deployed, certificate: "due" }),
  byHand("procedure-connections", { kind: "procedure", name: "connections" }),
  byHand("procedure-memory", { kind: "procedure", name: "memory" }),
  byHand("procedure-certificate", { kind: "procedure", name: "certificate" }, { ...deployed, certificate: "due" }),
  byHand("emergency-breach", { kind: "emergency", name: "breach" }),
  byHand("emergency-data-loss", { kind: "emergency", name: "data loss" }),
  byHand("emergency-outage", { kind: "emergency", name: "outage" }),
];

/** Two hosts: small enough to crash at every pair of positions. */
export const PAIRED: readonly Scenario[] = [
  deploy("pairs-deploy", "succeeded", { environment: { hosts: 2, active: OLD } }),
  {
    name: "pairs-rollback",
    environment: { hosts: 2, active: NEW },
    outcome: "succeeded",
    plan: () => planFor({ hosts: 2, active: NEW }, { kind: "rollback", gradual: null }),
  },
];

/** Makes the requests of a scenario when their time has come; each once, however often that happens again. */
export function pin(scenario: Scenario, world: SimulatedWorld, outside: SimulatedProcess): void {
  const open = new Set(scenario.requests ?? []);
  world.onEvent = (event) => {
    for (const request of open) {
      if (request.after !== event) continue;
      open.delete(request);
      world.clock.timer(0, () => {
        if (world.disk.runs.get(RUN)?.endedAt !== null) return;
        outside.engine.interrupt(RUN, { kind: request.interrupt, by: request.by, detail: null });
      });
    }
  };
}
