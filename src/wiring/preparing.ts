import { resolveScripts } from "../adapters/files/scripts.ts";
import { DEPLOYMENT } from "../deployment/input.ts";
import type { PreparePorts } from "../deployment/prepare.ts";
import { defaultGate } from "../gate/bindings.ts";
import type { Json } from "../json.ts";
import { isSunnyError } from "../errors.ts";
import type { Operation, ReleaseRef } from "../operation.ts";
import type { Fleet } from "../operations/rollout/ports.ts";
import type { Plan, PlanStep } from "../plan/model.ts";
import { releaseRef } from "../release/manifest.ts";
import type { System } from "../system/schema.ts";
import { VERSION } from "../version.ts";
import { activeRelease, releaseOnHosts } from "./active-release.ts";
import type { Connected } from "./connect.ts";
import type { SourceNeeds } from "./metric-source.ts";
import { refusalOf } from "./refusal.ts";

/** The hosts as one plan sees them: each is read once, so that what the plan says of a host is of one moment. */
export function readOnce(fleet: Fleet): Fleet {
  const reads = new Map<string, ReturnType<Fleet["read"]>>();
  return {
    ...fleet,
    read(host, signal) {
      let read = reads.get(host);
      if (read === undefined) {
        read = fleet.read(host, signal);
        reads.set(host, read);
      }
      return read;
    },
  };
}

/** What making one plan needs. Hosts are asked at once, and answer while the rest is loaded and the runbook is read. */
export async function preparing(system: System, connected: Connected, needs: SourceNeeds): Promise<PreparePorts> {
  const fleet = readOnce(connected.fleet);
  const hosts = system.hosts.map(({ name }) => name);
  // Whoever asks for the answer gets its error.
  for (const host of hosts) fleet.read(host).catch(() => {});
  const operations = await connected.operations(fleet);
  const observe = observer(operations, system);
  const names = new Set(operations.keys());
  const findRelease = async (version: string): Promise<ReleaseRef> =>
    releaseRef((await connected.releases.known.find(version)).manifest);
  return {
    operations,
    findRelease,
    findTarget: (version) =>
      findRelease(version).catch(async (error: unknown) => {
        // What hosts have was verified there: an archive that is gone or damaged here keeps nobody from going back to it.
        const there = isSunnyError(error) && (await releaseOnHosts(version, hosts, fleet));
        if (there === false || there === undefined) throw error;
        return there;
      }),
    activeRelease: (strict) => activeRelease(hosts, fleet, connected.releases, strict),
    observe: (draft, step) =>
      observe(draft, step).catch((error: unknown) => {
        throw refusalOf(error, step.title);
      }),
    resolveScripts: async (runbook) => resolveScripts(runbook, system.scripts, names),
    async watched(runbook, frozen, running) {
      const { notWatchedYet, watchedNow } = await import("./metric-source.ts");
      return running ? watchedNow(system, runbook, frozen, needs) : notWatchedYet(runbook);
    },
    defaultGate: (text) => defaultGate(text, names),
    sunny: VERSION,
    workflow: DEPLOYMENT,
  };
}

/** Calls the operation of a step so that it looks at the world. */
export function observer(
  operations: ReadonlyMap<string, Operation>,
  system: System,
): (plan: Plan, step: PlanStep) => Promise<Json> {
  return async (plan, step) => {
    const operation = operations.get(step.operation);
    if (operation?.observe === undefined) return null;
    const { release, previous, author: actor } = plan;
    const mode = plan.kind === "deploy" ? "deploy" : plan.kind === "rollback" ? "rollback" : "by-hand";
    return operation.observe({ args: step.args, system, release, previous, stepName: step.id, actor, mode });
  };
}
