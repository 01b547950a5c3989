import { Interrupted, StepFailedError, TerminalError } from "../../../engine/context.ts";
import type { DurableContext, WorkflowDef } from "../../../engine/context.ts";
import { World } from "../../../engine/testing/world.ts";
import { messageOf } from "../../../errors.ts";
import type { Operation, OperationCall, OperationReport, ReleaseRef } from "../../../operation.ts";
import { systemSchema } from "../../../system/schema.ts";
import type { System, SystemConfig } from "../../../system/schema.ts";
import { rolloutOperations } from "../operations.ts";
import type { Arms, BakeVerdict, Watch } from "../ports.ts";
import { SimulatedHosts } from "./simulated-hosts.ts";

export const OLD: ReleaseRef = { name: "api", version: "2.0.0", digest: "0".repeat(64), id: "2.0.0-000000000000" };
export const NEW: ReleaseRef = { name: "api", version: "2.1.0", digest: "1".repeat(64), id: "2.1.0-111111111111" };

const HOSTS = ["web-1", "web-2", "web-3", "web-4"];

export interface RolloutEnd {
  readonly outcome: "succeeded" | "rolled-back" | "rollback-failed";
  readonly report: OperationReport | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly rollbackError: { readonly code: string; readonly message: string } | null;
}

/** The operations of this folder on simulated hosts, run by the real engine on a virtual clock. */
export class RolloutWorld {
  readonly world = new World();
  readonly hosts: SimulatedHosts;
  readonly system: System;
  readonly arms: Arms[] = [];
  /** Answers of the watcher, one after the other; the last one stays. */
  verdicts: BakeVerdict[] = [{ state: "healthy", reasons: ["error rate 0.1 %, limit 1 %"] }];
  publicVersion: string | null = null;
  /** Migrations that are not in force, by the version that needs them. */
  readonly missing: Record<string, readonly string[]> = {};
  readonly operations: Map<string, Operation>;

  constructor(
    options: {
      first?: boolean;
      rollout?: SystemConfig["rollout"];
      monitoring?: SystemConfig["monitoring"];
      names?: readonly string[];
      /** In the order of the hosts; default 4001 and on. */
      ports?: readonly number[];
      /** Instead of the answers in `verdicts`. */
      watch?: (world: RolloutWorld) => Watch;
    } = {},
  ) {
    const names = options.names ?? HOSTS;
    this.hosts = new SimulatedHosts(this.world.clock, names, options.first === true ? null : OLD.id);
    this.system = systemSchema.parse({
      service: "payments-api",
      environment: "production",
      releases: { dir: "/r", trustedKeys: ["k"] },
      hosts: names.map((name, i) => ({ name, root: `/srv/${name}`, port: options.ports?.[i] ?? 4001 + i })),
      loadBalancer: { kind: "embedded", socket: "/s" },
      database: { kind: "sqlite", file: "/d", backupDir: "/b" },
      rollout: { canaryBakeMs: 60_000, finalBakeMs: 60_000, ...options.rollout },
      ...(options.monitoring === undefined ? {} : { monitoring: options.monitoring }),
    });
    const operations = rolloutOperations({
      authority: "a",
      fleet: this.hosts.fleet(),
      loadBalancer: this.hosts.balancer(),
      releases: {
        find: async (wanted) =>
          [OLD, NEW]
            .filter((one) => one.id === wanted || one.version === wanted)
            .map((one) => ({ ...one, archivePath: "", bytes: 1 })),
      },
      watch: options.watch?.(this) ?? {
        setArms: async (arms) => void this.arms.push(arms),
        verdict: async () => (this.verdicts.length > 1 ? this.verdicts.shift() : this.verdicts[0]) as BakeVerdict,
      },
      schema: { missing: async (version) => this.missing[version] ?? [] },
      publicEndpoint: {
        probe: async () =>
          this.publicVersion === null
            ? []
            : [{ url: "https://api", ok: true, status: 200, version: this.publicVersion, latencyMs: 1, reason: "" }],
      },
      clock: this.world.clock,
    });
    this.operations = new Map(operations.map((one) => [one.name, one]));
  }

  /** A workflow that runs one operation, and its way back when it fails or is interrupted, as a deployment does. */
  workflow(
    name: string,
    given: unknown = {},
    call: Partial<OperationCall<unknown>> = {},
  ): WorkflowDef<unknown, RolloutEnd> {
    const operation = this.operations.get(name);
    if (operation === undefined) throw new TypeError(`no operation ${name}`);
    const full: OperationCall<unknown> = {
      args: operation.args.parse(given),
      facts: null,
      system: this.system,
      release: NEW,
      previous: OLD,
      stepName: name,
      actor: "operator",
      mode: "deploy",
      earlier: {},
      ...call,
    };
    const run = async (ctx: DurableContext): Promise<RolloutEnd> => {
      await ctx.occupy("production");
      try {
        const report = await operation.run(ctx, full);
        return { outcome: "succeeded", report, error: null, rollbackError: null };
      } catch (error) {
        const { wayBack } = operation;
        if (wayBack?.kind !== "revert") throw error;
        return ctx.shielded(() => takeBack(ctx, () => wayBack.run(ctx, full), describe(error)));
      }
    };
    return { name, version: 1, run };
  }
}

async function takeBack(
  ctx: DurableContext,
  run: () => Promise<OperationReport>,
  error: { code: string; message: string },
): Promise<RolloutEnd> {
  void ctx;
  try {
    return { outcome: "rolled-back", report: await run(), error, rollbackError: null };
  } catch (rollbackError) {
    return { outcome: "rollback-failed", report: null, error, rollbackError: describe(rollbackError) };
  }
}

function describe(error: unknown): { code: string; message: string } {
  if (error instanceof TerminalError || error instanceof StepFailedError)
    return { code: error.code, message: error.message };
  if (error instanceof Interrupted) return { code: error.reason.kind, message: error.reason.by };
  return { code: "THROWN", message: messageOf(error) };
}
