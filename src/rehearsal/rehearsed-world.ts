import type { ReleaseRef } from "../operation.ts";
import { planSteps } from "../plan/model.ts";
import type { Plan } from "../plan/model.ts";
import { backUpBefore, migrateBefore, migrationFiles } from "./database.ts";
import type { PapersByName } from "./papers.ts";
import { SimulatedWorld } from "./world.ts";

/** More hosts than these add time and nothing else: they go through the same turns. */
const MOST_HOSTS = 6;
const MOST_BAKE_MS = 60_000;
const MOST_SHIFT_MS = 10_000;

/** What runs before a plan that deploys nothing: a release of which nothing else is known. */
const RUNNING: ReleaseRef = { name: "", version: "running", digest: "f".repeat(64), id: "running-ffffffffffff" };

/** A plan as it is rehearsed: with fewer hosts and shorter waits, otherwise the user's own. */
export function rehearsedPlan(plan: Plan): Plan {
  const { hosts, rollout } = plan.system;
  const { canaryBakeMs, finalBakeMs, shiftPauseMs } = rollout;
  return {
    ...plan,
    system: {
      ...plan.system,
      hosts: hosts.slice(0, Math.max(MOST_HOSTS, rollout.canaryHosts + 1)),
      rollout: {
        ...rollout,
        canaryBakeMs: Math.min(canaryBakeMs, MOST_BAKE_MS),
        finalBakeMs: Math.min(finalBakeMs, MOST_BAKE_MS),
        shiftPauseMs: Math.min(shiftPauseMs, MOST_SHIFT_MS),
      },
    },
  };
}

/** Releases whose archives are at hand in the rehearsal. */
export function rehearsedReleases(plan: Plan): ReleaseRef[] {
  const target = plan.rollback?.target;
  return [plan.release, plan.previous, target ?? null].filter((one) => one !== null);
}

interface MigrationFacts {
  readonly applied?: readonly string[];
  readonly adopted?: readonly string[];
  readonly pending?: readonly { readonly id: string; readonly reversible: boolean }[];
}

/** The world that a plan was made for, as far as the plan knows it. */
export function rehearsedWorld(plan: Plan, papers: PapersByName): SimulatedWorld {
  const { hosts, rollout } = plan.system;
  const active = plan.release === null ? RUNNING : plan.previous;
  const count = hosts.length;
  const world = new SimulatedWorld({
    hosts: hosts.map(({ name }) => name),
    active: active?.id ?? null,
    capacity: { outInRollout: rollout.maxUnavailable, outInRollback: Math.max(1, count - Math.floor(count / 2)) },
  });
  // Whatever the plan goes back to was there before.
  const { previous } = plan;
  if (previous !== null && active !== null && previous.id !== active.id) {
    for (const host of world.hosts) host.releases.unshift(previous.id);
    for (const host of world.hosts) host.before = previous.id;
  }
  fillDatabase(world, plan, active);
  fillInfrastructure(world, plan, active);
  fillCertificates(world, plan, papers);
  return world;
}

function fillDatabase(world: SimulatedWorld, plan: Plan, active: ReleaseRef | null): void {
  const facts = factsOf(plan, "migrate") as MigrationFacts | null;
  const before = [...(facts?.applied ?? []), ...(facts?.adopted ?? [])].map((id) => ({ id, reversible: true }));
  const after = [...before, ...(facts?.pending ?? [])];
  if (plan.previous !== null) world.database.files.set(plan.previous.id, migrationFiles(before));
  if (active !== null) world.database.files.set(active.id, migrationFiles(before));
  if (plan.release !== null) world.database.files.set(plan.release.id, migrationFiles(after));
  if (active !== null) migrateBefore(world, active);
  // A gate of the runbook may ask for a recent one.
  backUpBefore(world);
}

function fillInfrastructure(world: SimulatedWorld, plan: Plan, active: ReleaseRef | null): void {
  const facts = (factsOf(plan, "terraform-apply") ?? factsOf(plan, "terraform-plan")) as { changed?: boolean } | null;
  const folder = (content: string): ReadonlyMap<string, Uint8Array> => new Map([["main.tf", Buffer.from(content)]]);
  for (const release of [plan.previous, active]) {
    if (release !== null) world.infrastructure.files.set(release.id, folder("before"));
  }
  if (plan.release !== null) {
    world.infrastructure.files.set(plan.release.id, folder(facts?.changed === true ? "after" : "before"));
  }
  if (active !== null) world.applyBefore(active);
}

/** What is to be renewed is due; everything else is in order. */
function fillCertificates(world: SimulatedWorld, plan: Plan, papers: PapersByName): void {
  const renews = planSteps(plan).some((step) => step.operation === "renew-ssl");
  for (const spec of plan.system.certificates) {
    const own = papers.get(spec.name);
    if (own !== undefined) world.certify(spec, own, renews ? "due" : "fresh");
  }
}

function factsOf(plan: Plan, operation: string): unknown {
  return planSteps(plan).find((step) => step.operation === operation)?.facts ?? null;
}
