/** What the scenarios are about: a service on a few hosts, two releases of it, and plans from the sample's runbook. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { CertificateSpec } from "../../src/operations/tls/ports.ts";
import { preparePlan, requirePlan } from "../../src/deployment/prepare.ts";
import type { PrepareRequest } from "../../src/deployment/prepare.ts";
import { DEPLOYMENT } from "../../src/deployment/input.ts";
import type { Json } from "../../src/json.ts";
import type { Operation, ReleaseRef } from "../../src/operation.ts";
import type { Plan } from "../../src/plan/model.ts";
import { makePapers } from "../../src/rehearsal/papers.ts";
import { knownOperations, standIn } from "../../src/rehearsal/catalogue.ts";
import { migrateBefore, migrationFiles } from "../../src/rehearsal/database.ts";
import { SimulatedWorld } from "../../src/rehearsal/world.ts";
import type { Behaviour, Defects } from "../../src/rehearsal/world.ts";
import { allSteps } from "../../src/runbook/model.ts";
import type { Runbook } from "../../src/runbook/model.ts";
import { parseRunbook } from "../../src/runbook/parse.ts";
import { systemSchema } from "../../src/system/schema.ts";
import type { System } from "../../src/system/schema.ts";

export const OLD: ReleaseRef = { name: "api", version: "2.0.0", digest: "0".repeat(64), id: "2.0.0-000000000000" };
export const NEW: ReleaseRef = { name: "api", version: "2.1.0", digest: "1".repeat(64), id: "2.1.0-111111111111" };
const RELEASES = [OLD, NEW];

const RUNBOOK = path.join(import.meta.dirname, "..", "..", "examples", "payments", "RUNBOOK.md");

/** Checks, which the simulated catalogue stands in for. */
const CHECKS = ["verify-production-readiness", "security-penetration-test", "monitor-deployment", "verify-monitoring"];

export interface EnvironmentOptions {
  readonly hosts: number;
  /** What runs before: the release of the plan is always the new one. */
  readonly active: ReleaseRef | null;
  /** How the new release behaves. */
  readonly behaviour?: Behaviour;
  readonly rollout?: Partial<System["rollout"]>;
  /** The certificate of the public endpoint; default "fresh". */
  readonly certificate?: "due" | "fresh";
}

/** The one certificate; made once, since the world's time begins afterwards. */
const CERTIFICATE: CertificateSpec = systemSchema.shape.certificates.parse([
  {
    name: "api",
    hosts: ["api.sunnypayments.com"],
    certFile: "/certificates/api.pem",
    keyFile: "/certificates/api-key.pem",
  },
])[0]!;
const PAPERS = await makePapers([CERTIFICATE]);

/** The world before anything is done in it. */
export function newWorld(options: EnvironmentOptions, defects: Defects = {}): SimulatedWorld {
  const { active, hosts, rollout } = options;
  const half = Math.floor(hosts / 2);
  const world = new SimulatedWorld({
    hosts: hostNames(hosts),
    active: active?.id ?? null,
    capacity: { outInRollout: rollout?.maxUnavailable ?? 1, outInRollback: Math.max(1, hosts - half) },
    behaviours: { [NEW.id]: options.behaviour ?? {} },
    defects,
  });
  world.certify(CERTIFICATE, PAPERS.get(CERTIFICATE.name)!, options.certificate ?? "fresh");
  const before = [{ id: "0001_payments", reversible: true }];
  const after = [...before, { id: "0002_refunds", reversible: true }];
  world.database.files.set(OLD.id, migrationFiles(before)).set(NEW.id, migrationFiles(after));
  world.infrastructure.files.set(OLD.id, new Map([["main.tf", Buffer.from("old")]]));
  world.infrastructure.files.set(NEW.id, new Map([["main.tf", Buffer.from("new")]]));
  if (active !== null) {
    migrateBefore(world, active);
    world.applyBefore(active);
    for (const host of world.hosts) if (active.id === NEW.id) host.releases.unshift(OLD.id);
    for (const host of world.hosts) if (active.id === NEW.id) host.before = OLD.id;
  }
  return world;
}

const hostNames = (count: number): string[] => Array.from({ length: count }, (_, i) => `web-${i + 1}`);

function systemOf({ hosts, rollout }: EnvironmentOptions): System {
  return systemSchema.parse({
    service: "payments",
    environment: "production",
    releases: { dir: "/releases", trustedKeys: ["key"] },
    hosts: hostNames(hosts).map((name, i) => ({ name, root: `/srv/${name}`, port: 4001 + i })),
    loadBalancer: { kind: "embedded", socket: "/proxy" },
    database: { kind: "sqlite", file: "/database", backupDir: "/backups" },
    endpoints: { "https://api.sunnypayments.com": { connect: "10.0.0.1:443" } },
    certificates: [CERTIFICATE],
    rollout: { canaryBakeMs: 60_000, finalBakeMs: 60_000, shiftPauseMs: 10_000, ...rollout },
  });
}

/** What a plan is for. Operations, procedures and incidents are named. */
export type Wanted =
  | { readonly kind: "deploy" }
  | { readonly kind: "rollback"; readonly gradual: Json | null }
  | { readonly kind: "operation"; readonly name: string; readonly args: Json }
  | { readonly kind: "procedure" | "emergency"; readonly name: string };

/** A plan for an environment; `text` is the runbook, the sample's own when it is left out. */
export async function planFor(
  options: EnvironmentOptions,
  subject: Wanted,
  edit: (text: string) => string = (text) => text,
): Promise<Plan> {
  const world = newWorld(options);
  const process = world.spawn();
  const known = knownOperations(world, process, RELEASES);
  const checks = CHECKS.map((name) => standIn(process, name, [], null));
  const operations = new Map([...known.values(), ...checks].map((one) => [one.name, one]));
  const system = systemOf(options);
  const { runbook, diagnostics } = parseRunbook(edit(readFileSync(RUNBOOK, "utf8")), RUNBOOK);
  const deploys = subject.kind === "deploy";
  const request: PrepareRequest = {
    runbook,
    diagnostics: diagnostics.filter(({ severity }) => severity !== "error"),
    system,
    subject: subjectOf(subject, runbook, operations),
    parameters: { "service-name": system.service },
    ...(deploys ? { release: NEW.version } : {}),
    ...(subject.kind === "rollback" ? { target: OLD.version } : {}),
    author: "operator",
    reason: "a simulation",
    acceptNoWayBack: options.active === null,
  };
  const prepared = preparePlan(request, {
    operations,
    findRelease: (version) => Promise.resolve(RELEASES.find((one) => one.version === version)!),
    findTarget: (version) => Promise.resolve(RELEASES.find((one) => one.version === version)!),
    activeRelease: () => Promise.resolve(options.active),
    observe: async (draft, step) => {
      const { release, previous, author: actor } = draft;
      const call = { args: step.args, system, release, previous, stepName: step.id, actor, mode: "deploy" } as const;
      return (await operations.get(step.operation)?.observe?.(call)) ?? null;
    },
    resolveScripts: () =>
      Promise.resolve(
        new Map(
          allSteps(runbook).flatMap(({ command }) => {
            if (command.kind !== "script") return [];
            const operation = operations.has(command.name) ? command.name : null;
            return [
              [command.path, { file: command.path, found: "built in" as const, sha256: "0".repeat(64), operation }],
            ];
          }),
        ),
      ),
    watched: () => Promise.resolve({ rules: [], metrics: null, diagnostics: [] }),
    defaultGate: () => null,
    sunny: "0.0.0",
    workflow: DEPLOYMENT,
  });
  return requirePlan(await world.clock.until(prepared));
}

function subjectOf(
  wanted: Wanted,
  { issues, emergencies }: Runbook,
  operations: ReadonlyMap<string, Operation>,
): PrepareRequest["subject"] {
  const named = <T extends { readonly title: string }>(some: readonly T[], name: string): T =>
    some.find(({ title }) => title.toLowerCase().includes(name))!;
  switch (wanted.kind) {
    case "operation": {
      const operation = operations.get(wanted.name)!;
      return { kind: "run", operation, args: operation.args.parse(wanted.args) as Json };
    }
    case "procedure":
      return { kind: "procedure", procedure: named(issues, wanted.name) };
    case "emergency":
      return { kind: "emergency", emergency: named(emergencies, wanted.name) };
    default:
      return wanted;
  }
}

export { RELEASES };
