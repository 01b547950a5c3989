import { z } from "zod";
import type { DeploymentPorts } from "../deployment/ports.ts";
import { nestedChanges } from "../deployment/nested-runs.ts";
import { deploymentWorkflow } from "../deployment/workflow.ts";
import type { DeploymentInput } from "../deployment/input.ts";
import type { DeploymentOutput } from "../deployment/ports.ts";
import { TerminalError } from "../engine/context.ts";
import type { StepScope, WorkflowDef } from "../engine/context.ts";
import { defineOperation } from "../operation.ts";
import type { Operation, ReleaseRef } from "../operation.ts";
import { missingMigrations } from "../operations/database/missing.ts";
import { databaseOperations } from "../operations/database/operations.ts";
import { servingHosts } from "../operations/database/serving.ts";
import { httpOperations } from "../operations/http/operations.ts";
import { terraformApplyOperation, terraformPlanOperation } from "../operations/infrastructure/terraform.ts";
import { analyzeMemoryOperation } from "../operations/checks/analyze-memory.ts";
import { followInstruction } from "../operations/incident/follow-instruction.ts";
import { verifyInfrastructureOperation } from "../operations/infrastructure/verify-infrastructure.ts";
import { tlsOperations } from "../operations/tls/operations.ts";
import { rolloutOperations } from "../operations/rollout/operations.ts";
import { subprocessOperations } from "../operations/subprocess/operations.ts";
import { planSteps } from "../plan/model.ts";
import type { Plan, PlanStep } from "../plan/model.ts";
import { simulatedBalancer } from "./balancer.ts";
import { simulatedTls } from "./certificates.ts";
import { changedContext } from "./changed-context.ts";
import type { ChangeStep } from "./changed-context.ts";
import { simulatedDatabase } from "./database.ts";
import { simulatedFleet } from "./hosts.ts";
import { simulatedMemory, simulatedPrograms, simulatedPublic, simulatedTerraform, simulatedWatch } from "./outside.ts";
import { startNested } from "./nested.ts";
import type { StartsWithin } from "./outside.ts";
import type { SimulatedProcess } from "./process.ts";
import type { SimulatedWorld } from "./world.ts";

export interface WorkflowOptions {
  readonly plan: Plan;
  /** Releases whose archives are at hand. */
  readonly releases: readonly ReleaseRef[];
  /** What is done to the steps of a process's workflow before its engine sees them. */
  readonly change?: ((process: SimulatedProcess, world: SimulatedWorld) => ChangeStep) | undefined;
  readonly permission?: DeploymentPorts["permission"] | undefined;
  /** What commands of somebody else's do with Sunny within their step, by the command. */
  readonly nested?: ReadonlyMap<string, readonly Plan[]> | undefined;
}

/** The workflow of a deployment, as one process of the simulated world carries it out. */
export function simulatedWorkflow(
  world: SimulatedWorld,
  process: SimulatedProcess,
  options: WorkflowOptions,
): WorkflowDef<DeploymentInput, DeploymentOutput> {
  const scopes = new WeakMap<AbortSignal, StepScope>();
  const startsWithin: StartsWithin = (command, token) =>
    (options.nested?.get(command) ?? []).map(
      (plan, index) => () =>
        startNested(world, process, {
          token,
          plan,
          name: `nested-${index + 1}`,
          defOf: (inner) => simulatedWorkflow(world, inner, { ...options, plan, change: undefined, nested: undefined }),
        }),
    );
  const around = { scopeOf: (signal: AbortSignal) => scopes.get(signal), startsWithin };
  const operations = simulatedOperations(world, process, options, around);
  const observed: ChangeStep = (call) => ({
    ...call,
    fn: (scope) => {
      scopes.set(scope.signal, scope);
      return call.fn(scope);
    },
  });
  const change: ChangeStep = options.change?.(process, world) ?? ((call) => call);
  const def = deploymentWorkflow(portsOf(world, process, options, operations));
  return {
    ...def,
    run: (ctx, input) =>
      def.run(
        changedContext(ctx, (call) => observed(change(call))),
        input,
      ),
  };
}

function portsOf(
  world: SimulatedWorld,
  process: SimulatedProcess,
  { plan, permission }: WorkflowOptions,
  operations: ReadonlyMap<string, Operation>,
): DeploymentPorts {
  return {
    operations,
    permission:
      permission ?? (() => Promise.resolve({ missing: [], denied: [], given: [], attested: [], waitMs: 3_600_000 })),
    commandGate: (gate) =>
      process.read("gate", () => ({ id: gate.id, text: gate.text, state: "passed", by: "command", evidence: "" })),
    activeRelease: () => process.read("active release", () => plan.previous),
    // The world is the one that the plan was made for; that it changed since is a failure of its own.
    observe: (_plan, step) => process.read(`observe ${step.id}`, () => step.facts),
    nested: (run) => nestedChanges(process.journal.read, run),
    notify: (_plan, runId, { event }) =>
      process.read(`notify ${event}`, () => void world.notices.add(`${runId}/${event}`)),
  };
}

function simulatedOperations(
  world: SimulatedWorld,
  process: SimulatedProcess,
  { plan, releases }: WorkflowOptions,
  around: StepsAround,
): ReadonlyMap<string, Operation> {
  const catalogue = knownOperations(world, process, releases, around);
  for (const name of operationNames(plan)) {
    const step = planStepsOf(plan).find((one) => one.operation === name);
    if (!catalogue.has(name)) catalogue.set(name, standIn(process, name, step?.changes ?? [], step?.wayBack ?? null));
  }
  return catalogue;
}

/** What programs may know of the step that they act for. */
interface StepsAround {
  readonly scopeOf: (signal: AbortSignal) => StepScope | undefined;
  readonly startsWithin: StartsWithin;
}

/** For plans that are only made. */
const NOTHING_AROUND: StepsAround = { scopeOf: () => undefined, startsWithin: () => [] };

/** The operations whose insides are simulated: everything that changes something, and what looks at the same things. */
export function knownOperations(
  world: SimulatedWorld,
  process: SimulatedProcess,
  releases: readonly ReleaseRef[],
  { scopeOf, startsWithin }: StepsAround = NOTHING_AROUND,
): Map<string, Operation> {
  const find = (wanted: string): ReleaseRef[] => releases.filter((one) => one.id === wanted || one.version === wanted);
  const fleet = simulatedFleet(world, process);
  const balancer = simulatedBalancer(world, process);
  const { http, endpoint } = simulatedPublic(world, process);
  const rollout = rolloutOperations({
    authority: world.disk.authority,
    fleet,
    loadBalancer: balancer,
    releases: {
      find: (wanted) => process.read("store", () => find(wanted).map((one) => ({ ...one, archivePath: "", bytes: 1 }))),
    },
    watch: simulatedWatch(world, process),
    publicEndpoint: endpoint,
    schema: {
      missing: (version, previous) =>
        missingMigrations({ ...database, releases: { find: (one) => Promise.resolve(find(one)) } }, version, previous),
    },
    clock: process.clock,
  });
  const database = simulatedDatabase(world, process);
  const terraform = simulatedTerraform(world, process);
  const infrastructure = {
    ...terraform,
    fleet,
    loadBalancer: balancer,
    publicEndpoint: endpoint,
  };
  const incidents = followInstruction({
    operations: () => catalogue,
    tell: ({ incident }, _call, runId) => process.read("tell", () => void world.notices.add(`${runId}/${incident}`)),
  });
  const known = [
    ...rollout,
    ...databaseOperations({
      ...database,
      releases: { find: (wanted) => Promise.resolve(find(wanted)) },
      serving: (signal) => servingHosts([...world.hosts.values()], fleet, signal),
      clock: process.clock,
    }),
    ...httpOperations({ http }),
    ...subprocessOperations(simulatedPrograms(world, process, scopeOf, startsWithin)),
    terraformPlanOperation(infrastructure),
    terraformApplyOperation(infrastructure),
    verifyInfrastructureOperation(infrastructure),
    ...tlsOperations(simulatedTls(world, process)),
    analyzeMemoryOperation({ clock: process.clock, ...simulatedMemory(world, process) }),
    incidents,
  ];
  const catalogue = new Map(known.map((operation) => [operation.name, operation]));
  return catalogue;
}

function planStepsOf(plan: Plan): readonly PlanStep[] {
  return [...planSteps(plan), ...(plan.rollback?.steps ?? [])];
}

function operationNames(plan: Plan): Set<string> {
  const gates = plan.gates.flatMap(({ binding }) => (binding.kind === "operation" ? [binding.name] : []));
  return new Set([...planStepsOf(plan).map((step) => step.operation), ...gates]);
}

/**
 * For operations whose insides do not matter to what a failure leads to: checks, and changes to things that are not
 * simulated. It takes one durable step, which can be done again, and one way back where the plan has one.
 */
export function standIn(
  process: SimulatedProcess,
  name: string,
  changes: PlanStep["changes"],
  wayBack: PlanStep["wayBack"],
): Operation {
  const isReading = changes.length === 0;
  const act = (what: string) => (scope: StepScope) =>
    process.call({
      label: `${name} ${what}`,
      scope,
      *parts() {
        yield 100;
        return null;
      },
    });
  return defineOperation({
    name,
    script: null,
    title: name,
    args: z.unknown(),
    changes,
    deadlineMs: 600_000,
    async run(ctx, call) {
      await ctx.step(`${call.stepName}/run`, act("run"), {
        disposition: { kind: "idempotent", ...(isReading ? { readOnly: true } : {}) },
        deadlineMs: 300_000,
      });
      return { summary: `${name} is done` };
    },
    ...(wayBack === null
      ? {}
      : {
          wayBack:
            wayBack.kind === "none"
              ? wayBack
              : {
                  ...wayBack,
                  async run(ctx, call) {
                    await ctx.step(`${call.stepName}/back`, act("take back"), {
                      disposition: { kind: "idempotent" },
                      deadlineMs: 300_000,
                    });
                    return { summary: `${name} is taken back` };
                  },
                },
        }),
  });
}

/** What a step throws that is made to fail. */
export function failure(step: string): TerminalError {
  return new TerminalError("REHEARSED_FAILURE", `"${step}" fails, as the rehearsal wants it to`);
}
