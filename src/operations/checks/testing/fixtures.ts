import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "../../../clock.ts";
import type { Json } from "../../../json.ts";
import type { Finding, Operation, OperationCall, OperationReport, ReleaseRef } from "../../../operation.ts";
import { systemSchema, type System, type SystemConfig } from "../../../system/schema.ts";
import { DirectContext } from "./direct-context.ts";

/** For tests: a directory that is gone afterwards. */
export function scratch(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** For tests: a release with that version; `digit` makes another digest. */
export function testRelease(version: string, digit = "a"): ReleaseRef {
  const digest = digit.repeat(64);
  return { name: "payments", version, digest, id: `${version}-${digest.slice(0, 12)}` };
}

/** For tests: a small production with two hosts, and whatever else is given. */
export function testSystem(root: string, config: Partial<SystemConfig> = {}): System {
  return systemSchema.parse({
    service: "payments",
    environment: "production",
    releases: { dir: path.join(root, "releases"), trustedKeys: ["key"] },
    hosts: [
      { name: "web-1", root: path.join(root, "web-1"), port: 18_001 },
      { name: "web-2", root: path.join(root, "web-2"), port: 18_002 },
    ],
    loadBalancer: { kind: "embedded", socket: path.join(root, "proxy.sock") },
    database: { kind: "sqlite", file: path.join(root, "payments.db"), backupDir: path.join(root, "backups") },
    stateDir: path.join(root, "state"),
    ...config,
  });
}

/** How a test runs an operation. */
export interface TestRun {
  readonly system: System;
  readonly args?: unknown;
  readonly release?: ReleaseRef | null;
  readonly previous?: ReleaseRef | null;
  readonly facts?: Json;
  readonly mode?: OperationCall<unknown>["mode"];
  readonly earlier?: OperationCall<unknown>["earlier"];
  /** Default: a new one on the machine's clock. */
  readonly context?: DirectContext;
}

/** For tests: what an operation is called with, arguments validated. */
export function testCall(operation: Operation, run: TestRun): OperationCall<unknown> {
  return {
    args: operation.args.parse(run.args ?? {}),
    facts: run.facts ?? null,
    system: run.system,
    release: run.release ?? null,
    previous: run.previous ?? null,
    stepName: operation.name,
    actor: "Operator",
    mode: run.mode ?? "deploy",
    earlier: run.earlier ?? {},
  };
}

/** For tests: runs an operation as a plan would, and gives its report. */
export function runOperation(operation: Operation, run: TestRun): Promise<OperationReport> {
  return operation.run(run.context ?? new DirectContext(systemClock), testCall(operation, run));
}

/** For tests: runs an operation that must fail, and gives code, message and findings of the failure. */
export async function failureOf(
  operation: Operation,
  run: TestRun,
): Promise<{
  readonly code: string;
  readonly message: string;
  readonly findings: readonly Finding[];
  readonly details: Json;
}> {
  let report: OperationReport;
  try {
    report = await runOperation(operation, run);
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    const details = "details" in error ? (error.details as Json) : null;
    const findings = (details as { findings?: Finding[] } | null)?.findings ?? [];
    return { code: String(error.code), message: error.message, findings, details };
  }
  throw new Error(`${operation.name} did not fail: ${report.summary}`);
}

/** For tests: the operation of that name. */
export function named(operations: readonly Operation[], name: string): Operation {
  const operation = operations.find((one) => one.name === name);
  if (operation === undefined) throw new Error(`no operation ${name}`);
  return operation;
}
