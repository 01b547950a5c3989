import { rfc3339 } from "../clock.ts";
import { TerminalError } from "../engine/context.ts";
import type { StepScope } from "../engine/context.ts";
import { sha256 } from "../json.ts";
import { LEAST_SAMPLES, LEAST_WINDOW_MS } from "../operations/checks/leak.ts";
import type { CheckPorts, MemoryReading } from "../operations/checks/ports.ts";
import type { HttpPorts } from "../operations/http/ports.ts";
import type { AppliedRecord, InfrastructurePorts, SavedPlan } from "../operations/infrastructure/ports.ts";
import type { BakeVerdict, PublicEndpoint, Watch } from "../operations/rollout/ports.ts";
import type { ProcessResult, SubprocessPorts } from "../operations/subprocess/ports.ts";
import { versionOf } from "./hosts.ts";
import type { NestedRun } from "./nested.ts";
import type { SimulatedProcess } from "./process.ts";
import { originIn } from "./script.ts";
import type { Parts } from "./script.ts";
import type { SimulatedWorld } from "./world.ts";

/** What Terraform knows and what is really there, as digests of a configuration folder. */
export interface SimulatedInfrastructure {
  real: string | null;
  applied: AppliedRecord | null;
  saved: { plan: SavedPlan; content: string } | null;
  interrupted: string | null;
  /** Each release's folder. */
  readonly files: Map<string, ReadonlyMap<string, Uint8Array>>;
}

/** Infrastructure that nobody has applied anything to. */
export const newInfrastructure = (): SimulatedInfrastructure => ({
  real: null,
  applied: null,
  saved: null,
  interrupted: null,
  files: new Map(),
});

/** What a folder's content is known by. */
export const contentOf = (files: ReadonlyMap<string, Uint8Array>): string =>
  sha256([...files].map(([path, bytes]) => `${path} ${sha256(bytes)}`).join("\n"));

/** Terraform and the configuration of releases, against the simulated infrastructure. */
export function simulatedTerraform(
  world: SimulatedWorld,
  process: SimulatedProcess,
): Pick<InfrastructurePorts, "configuration" | "terraform"> {
  const infrastructure = world.infrastructure;
  return {
    configuration: {
      files: (release) => Promise.resolve(infrastructure.files.get(release.id) ?? new Map()),
    },
    terraform: {
      program: () => Promise.resolve("terraform"),
      hasState: () => Promise.resolve(infrastructure.applied !== null),
      applied: () => process.read("terraform applied", () => infrastructure.applied),
      remember: (record, scope) =>
        process.call({
          label: "terraform remember",
          scope,
          bounded: true,
          *parts() {
            infrastructure.applied = { ...record, at: rfc3339(world.clock.now()) };
            world.changed("infrastructure", `record ${record.version}`, originIn(scope));
            yield 2;
          },
        }),
      plan: (files, scope) =>
        process.call({
          label: "terraform plan",
          scope,
          ownProgram: true,
          *parts(): Parts<SavedPlan> {
            // A new plan begins from what is there, whatever became of the one before.
            infrastructure.interrupted = null;
            infrastructure.saved = null;
            yield 1_500;
            const content = contentOf(files);
            const isThere = content === infrastructure.real;
            const changes = isThere ? [] : [{ address: "cdn.api", action: "update" as const, attributes: [] }];
            const plan: SavedPlan = {
              changes,
              sha256: sha256(`${content} ${infrastructure.real}`),
              program: "Terraform",
            };
            infrastructure.saved = { plan, content };
            yield 5;
            return plan;
          },
        }),
      saved: () => process.read("terraform saved", () => infrastructure.saved?.plan ?? null),
      interrupted: () => process.read("terraform interrupted", () => infrastructure.interrupted),
      apply: (digest, scope) =>
        process.call({
          label: "terraform apply",
          scope,
          ownProgram: true,
          *parts(): Parts<void> {
            const { saved } = infrastructure;
            if (saved?.plan.sha256 !== digest) throw new TerminalError("TERRAFORM_PLAN_STALE", "another plan is saved");
            infrastructure.interrupted = digest;
            world.changed("infrastructure", "apply begins", originIn(scope));
            yield 3_000;
            infrastructure.real = saved.content;
            world.effect("terraform", scope.idempotencyKey);
            world.changed("infrastructure", "apply", originIn(scope));
            yield 500;
            infrastructure.saved = null;
            infrastructure.interrupted = null;
            world.changed("infrastructure", "apply ends", originIn(scope));
            yield 5;
          },
        }),
      drift: (scope) =>
        process.call({
          label: "terraform drift",
          scope,
          *parts() {
            yield 1_000;
            const wanted = infrastructure.saved?.content ?? infrastructure.real;
            const drifted = wanted !== infrastructure.real;
            return { drifted, changes: drifted ? ["cdn.api"] : [] };
          },
        }),
    },
  };
}

/** What a program does with Sunny, one after the other, given its command and the scope of its step. */
export type StartsWithin = (command: string, token: string) => readonly (() => NestedRun)[];

/** How often a program looks whether what it has started is over. */
const LOOK_MS = 100;

/** Commands of somebody else's: each takes its time, has its effect in the middle, and ends well. */
export function simulatedPrograms(
  world: SimulatedWorld,
  process: SimulatedProcess,
  scopeOf: (signal: AbortSignal) => StepScope | undefined,
  startsWithin: StartsWithin,
): SubprocessPorts {
  return {
    environment: {},
    shell: ["sh", "-eu", "-c"],
    processes: {
      run: ({ argv, scope: token = "", onStarted }, signal) => {
        const scope = signal === undefined ? undefined : scopeOf(signal);
        const command = argv.join(" ");
        return process.call({
          label: `program ${command.slice(0, 60)}`,
          scope,
          signal,
          ownProgram: true,
          *parts(): Parts<ProcessResult> {
            const program = world.startProgram();
            try {
              onStarted?.(program.identity);
              yield 700;
              for (const begin of startsWithin(command, token)) {
                const status = yield* follow(begin());
                if (status !== 0) return ended(status);
              }
              if (scope !== undefined) world.effect("program", scope.idempotencyKey);
              world.changed("programs", command, scope === undefined ? null : originIn(scope));
              yield 700;
              return ended(0);
            } finally {
              program.end();
            }
          },
        });
      },
    },
  };
}

const ended = (status: number): ProcessResult => ({ status, signal: null, ended: null, stdout: "", stderr: "" });

function* follow(nested: NestedRun): Parts<number> {
  try {
    while (nested.status === null) yield LOOK_MS;
    return nested.status;
  } finally {
    nested.end();
  }
}

/** The service as customers reach it. */
export function simulatedPublic(
  world: SimulatedWorld,
  process: SimulatedProcess,
): HttpPorts & { endpoint: PublicEndpoint } {
  const serving = (): { version: string | null; status: number } => {
    const host = world.hosts.find((one) => world.isServing(one));
    if (host === undefined || host.running === null) return { version: null, status: 503 };
    const { publicStatus = 200, answersAs } = world.behaviourOf(host.running);
    return { version: answersAs ?? versionOf(host.running), status: publicStatus };
  };
  return {
    http: {
      request: ({ url }, signal) =>
        process.read(
          `GET ${url}`,
          () => {
            const { version, status } = serving();
            return { status, headers: {}, body: JSON.stringify({ version }), latencyMs: 1 };
          },
          signal,
        ),
    },
    endpoint: {
      probe: (signal) =>
        process.read(
          "public probe",
          () => {
            const { version, status } = serving();
            if (version === null) return [];
            const ok = status === 200;
            return [{ url: "https://api", ok, status, version, latencyMs: 1, reason: ok ? "" : `status ${status}` }];
          },
          signal,
        ),
    },
  };
}

/** What services say of their own memory: that they are well. */
export function simulatedMemory(
  world: SimulatedWorld,
  process: SimulatedProcess,
): Pick<CheckPorts, "memory" | "monitoring"> {
  const reading = (): MemoryReading => {
    const now = world.clock.now();
    const sample = { residentBytes: 1e8, heapUsedBytes: 5e7, externalBytes: 0, requests: 0 };
    const samples = Array.from({ length: LEAST_SAMPLES * 2 }, (_, i) => ({
      ...sample,
      at: now - LEAST_WINDOW_MS + i * 1_000,
    }));
    return { limitBytes: 1e9, residentBytes: 1e8, heapUsedBytes: 5e7, heapLimitBytes: 1e9, samples };
  };
  return {
    memory: { memory: (host, signal) => process.read(`${host} memory`, reading, signal) },
    // Without a runbook's thresholds.
    monitoring: {
      monitored: () => Promise.reject(new Error("not simulated")),
      watching: () => Promise.resolve(null),
    },
  };
}

/** The watcher: what it is told lasts, what it says follows from what runs where. */
export function simulatedWatch(world: SimulatedWorld, process: SimulatedProcess): Watch {
  return {
    setArms: (arms, scope) =>
      process.call({
        label: "watch",
        scope,
        *parts() {
          world.arms = { canary: [...arms.canary], baseline: [...arms.baseline] };
          yield 1;
        },
      }),
    verdict: (_question, scope) => process.read("verdict", () => verdictOf(world), scope.signal),
  };
}

function verdictOf(world: SimulatedWorld): BakeVerdict {
  if (world.blind) {
    world.suffer("the metrics are blind");
    return { state: "blind", reasons: ["the metric source does not answer"] };
  }
  const bad = world.arms.canary.some((name) => world.behaviourOf(world.host(name).running).worse === true);
  return bad
    ? { state: "degraded", reasons: ["error rate 5 %, limit 1 %"] }
    : { state: "healthy", reasons: ["error rate 0.1 %, limit 1 %"] };
}
