import { z } from "zod";
import type { Operation, ReleaseRef } from "../operation.ts";
import { parseRunbook } from "../runbook/parse.ts";
import { systemSchema, type System, type SystemConfig } from "../system/schema.ts";
import { compile, type Compiled, type CompileInput } from "./compile.ts";
import type { ResolvedScript } from "./steps.ts";

/** A small valid system for tests; `overrides` replace whole keys. */
export function testSystem(overrides: Partial<SystemConfig> = {}): System {
  return systemSchema.parse({
    service: "payments",
    environment: "production",
    runbook: "/r/RUNBOOK.md",
    releases: { dir: "/r/releases", trustedKeys: ["k"] },
    hosts: [{ name: "web-1", root: "/h/web-1", port: 8001 }],
    loadBalancer: { kind: "embedded", socket: "/r/proxy.sock" },
    database: { kind: "sqlite", file: "/r/p.db", backupDir: "/r/backups" },
    ...overrides,
  });
}

/** A release of that version with a made-up digest. */
export function testRelease(version: string): ReleaseRef {
  const digest = Buffer.from(version.padEnd(32, "-")).toString("hex");
  return { name: "payments", version, digest, id: `${version}-${digest.slice(0, 12)}` };
}

/** An operation that does nothing, for what plans say of it. */
export function testOperation(
  name: string,
  changes: Operation["changes"] = [],
  more: Partial<Operation> = {},
): Operation {
  return {
    name,
    script: "sh",
    title: `Does ${name}`,
    args: z.looseObject({ _: z.array(z.string()).default([]) }),
    changes,
    deadlineMs: 60_000,
    run: () => Promise.resolve({ summary: `${name} is done` }),
    ...(changes.length === 0
      ? {}
      : {
          wayBack: { kind: "revert", describe: `${name} is undone`, run: () => Promise.resolve({ summary: "undone" }) },
        }),
    ...more,
  };
}

const OPERATIONS: readonly Operation[] = [
  testOperation("verify-production-readiness"),
  testOperation("backup-databases"),
  testOperation("migrate", ["database"]),
  testOperation("deploy-production", ["hosts", "traffic"]),
  testOperation("rollback", ["hosts", "traffic"], { restores: true }),
  testOperation("rollback-db", ["database"], { restores: true }),
  testOperation("verify-rollback"),
  testOperation("terraform-plan", [], { script: null }),
  testOperation("terraform-apply", ["infrastructure"], { script: null }),
  testOperation("http-check", [], { script: null }),
  testOperation("restart-service", ["hosts"], { restores: true }),
  testOperation("verify-ssl"),
  testOperation("subprocess", ["hosts"], { script: null, wayBack: { kind: "none", why: "it is foreign" } }),
];

/** Operations by name, as small as plans need them. */
export const TEST_OPERATIONS: ReadonlyMap<string, Operation> = new Map(OPERATIONS.map((one) => [one.name, one]));

/** Compiles a deployment from the text of a runbook; scripts named `./scripts/<operation>.*` are launchers. */
export function compileText(text: string, more: Partial<CompileInput> = {}): Compiled {
  const { runbook, diagnostics } = parseRunbook(text, "/r/RUNBOOK.md");
  const compiled = compile({
    subject: { kind: "deploy" },
    runbook,
    system: testSystem(),
    operations: TEST_OPERATIONS,
    scripts: testScripts(text, more.operations ?? TEST_OPERATIONS),
    release: testRelease("2.1.0"),
    previous: testRelease("2.0.0"),
    parameters: {},
    author: "operator",
    reason: "",
    noWayBackAccepted: false,
    sunny: "0.0.0",
    workflow: { name: "deployment", version: 1 },
    rules: [],
    metrics: null,
    defaultGate: () => null,
    facts: {},
    ...more,
  });
  return { plan: compiled.plan, diagnostics: [...diagnostics, ...compiled.diagnostics] };
}

function testScripts(text: string, operations: ReadonlyMap<string, Operation>): ReadonlyMap<string, ResolvedScript> {
  const paths = new Set([...text.matchAll(/\.\/[\w/-]+\.(?:sh|js)/g)].map((match) => match[0]));
  return new Map(
    [...paths].map((file) => {
      const name = file.replace(/^.*\//, "").replace(/\.\w+$/, "");
      const operation = operations.has(name) ? name : null;
      return [file, { file: `/r/${file.slice(2)}`, found: "beside the runbook", sha256: "0".repeat(64), operation }];
    }),
  );
}
