import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { keepCheckpoint, readCheckpoint, type CheckpointHost } from "../adapters/host/checkpoint-copy.ts";
import type { AuditPlaces } from "../audit/places.ts";
import { CHECKPOINT } from "../audit/standing.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { planSteps, type Plan } from "../plan/model.ts";
import type { System } from "../system/schema.ts";
import type { Transports } from "./transports.ts";

/** A run that has ended waits no longer than this for all hosts, */
const COPY_WITHIN_MS = 10_000;
/** nor than this for the next one: hosts that are there answer one after the other, and one that is down is soon alone. */
const NEXT_WITHIN_MS = 4_000;

/** What a host keeps of the audit log, or why it cannot be asked. */
export interface HostCheckpoint {
  readonly host: string;
  /** The signed note; null when the host keeps none. */
  readonly note: string | null;
  /** Null when it could be asked. */
  readonly problem: string | null;
}

/** The newest checkpoint that was published; null before the first. */
export function newestCheckpoint({ log }: Pick<AuditPlaces, "log">): string | null {
  const file = path.join(log, CHECKPOINT);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}

/** What every host that is reached over a network keeps; a folder of this machine would show nothing. */
export function hostCheckpoints(system: Pick<System, "hosts">, transports: Transports): Promise<HostCheckpoint[]> {
  return Promise.all(
    remoteHosts(system, transports).map(async (host) => {
      try {
        return { host: host.name, note: await readCheckpoint(host), problem: null };
      } catch (error) {
        return { host: host.name, note: null, problem: messageOf(error) };
      }
    }),
  );
}

export interface CopyPlaces {
  readonly system: Pick<System, "hosts">;
  readonly transports: Transports;
  /** Of the journal: hosts of another take nothing. */
  readonly authority: string;
  readonly clock: Clock;
}

/**
 * Copies a checkpoint to every such host after a run that changed hosts, over connections that are open already. Says
 * which hosts did not take it: the run has ended, and what they lack the next one brings.
 */
export async function copyToHosts(
  { system, transports, authority, clock }: CopyPlaces,
  plan: Pick<Plan, "phases">,
  note: string | null,
): Promise<string[]> {
  if (note === null || !planSteps(plan).some((step) => step.changes.includes("hosts"))) return [];
  const late = new AbortController();
  const end = (): void => late.abort(new Error("it took too long"));
  const cancel = clock.timer(COPY_WITHIN_MS, end);
  let cancelNext = clock.timer(NEXT_WITHIN_MS, end);
  const copies = remoteHosts(system, transports).map(async (host) => {
    try {
      await keepCheckpoint(host, authority, note, late.signal);
      return [];
    } catch (error) {
      return [`${host.name} keeps no copy of the newest checkpoint: ${messageOf(error)}`];
    } finally {
      cancelNext();
      cancelNext = clock.timer(NEXT_WITHIN_MS, end);
    }
  });
  const ends = await Promise.all(copies);
  cancel();
  cancelNext();
  return ends.flat();
}

function remoteHosts({ hosts }: Pick<System, "hosts">, transports: Transports): CheckpointHost[] {
  return hosts
    .filter((host) => host.connection.kind !== "local")
    .map((host) => ({ name: host.name, root: host.root, transport: transports.of(host) }));
}
