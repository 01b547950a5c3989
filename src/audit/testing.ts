import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import type { Clock } from "../clock.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { memoryFiles } from "./files.ts";
import type { AuditFiles } from "./files.ts";
import type { ProblemKind } from "./findings.ts";
import type { AuditLeaf } from "./leaf.ts";
import { openAuditLog } from "./open-log.ts";
import type { AuditLog, AuditLogOptions } from "./log.ts";
import { generateKey, parseSigner, verifierOf } from "./note.ts";
import type { NoteSigner, NoteVerifier } from "./note.ts";
import { verifyAuditLog } from "./verify.ts";
import type { VerifyAuditOptions, VerifyReport } from "./verify.ts";

/*
 * A world for tests of the audit log: a database, two places in memory, and a clock that is turned by hand.
 */

export const ORIGIN = "sunny/test";

/** A leaf that is like every other but for its step. */
export function testLeaf(step: string, detail?: AuditLeaf["detail"]): AuditLeaf {
  return {
    v: 1,
    at: "2025-06-15T01:02:03.000Z",
    actor: { name: "operator", kind: "person" },
    action: "step.started",
    outcome: "started",
    origin: { host: "deck", pid: 7 },
    resource: { service: "payments", environment: "test", deployment: "d-1", step },
    ...(detail === undefined ? {} : { detail }),
  };
}

export interface TestClock extends Clock {
  /** Lets time pass; due timers fire. */
  advance(ms: number): void;
}

export function testClock(): TestClock {
  let now = 1_750_000_000_000;
  const timers = new Set<{ due: number; fn: () => void }>();
  return {
    now: () => now,
    monotonic: () => now,
    timer(ms, fn) {
      const timer = { due: now + ms, fn };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms) {
      now += ms;
      for (const timer of [...timers].filter((one) => one.due <= now)) {
        timers.delete(timer);
        timer.fn();
      }
    },
  };
}

export interface TestWorld {
  readonly db: DatabaseSync;
  readonly clock: TestClock;
  readonly files: AuditFiles;
  readonly copy: AuditFiles;
  /** What is behind `files` and `copy`, to be tampered with. */
  readonly fileMap: Map<string, Buffer>;
  readonly copyMap: Map<string, Buffer>;
  readonly signer: NoteSigner;
  readonly verifiers: readonly NoteVerifier[];
  open(options?: Partial<AuditLogOptions>): AuditLog;
}

/** @param database path of the database, default one in memory. */
export function testWorld(database = ":memory:"): TestWorld {
  const db = new DatabaseSync(database);
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE journal (seq INTEGER PRIMARY KEY, data TEXT)");
  const [fileMap, copyMap] = [new Map<string, Buffer>(), new Map<string, Buffer>()];
  const [files, copy] = [memoryFiles("audit", fileMap), memoryFiles("copy", copyMap)];
  const signer = parseSigner(generateKey(ORIGIN).signer);
  const clock = testClock();
  const base = { db, dir: files, copyDir: copy, origin: ORIGIN, signer, clock };
  const verifiers = [verifierOf(signer)];
  return { db, clock, files, copy, fileMap, copyMap, signer, verifiers, open: (o) => openAuditLog({ ...base, ...o }) };
}

/** Appends `count` leaves in one transaction. */
export function appendMany(world: TestWorld, log: AuditLog, count: number): void {
  const start = log.size();
  world.db.exec("BEGIN IMMEDIATE");
  for (let at = start; at < start + count; at++) log.append(`key-${at}`, testLeaf(`step-${at}`));
  world.db.exec("COMMIT");
  log.committed();
}

/** A world whose log holds `size` published leaves. */
export function publishedWorld(size: number, database?: string): { world: TestWorld; log: AuditLog } {
  const world = testWorld(database);
  const log = world.open();
  appendMany(world, log, size);
  log.publish();
  return { world, log };
}

/** Verifies the directory and the second copy of a world. */
export function verifyWorld(world: TestWorld, options: Partial<VerifyAuditOptions> = {}): Promise<VerifyReport> {
  return verifyAuditLog({ dir: world.files, copyDir: world.copy, verifiers: world.verifiers, ...options });
}

/** Path for a database in a directory that goes away with the test. */
export function databasePath(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-audit-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return path.join(directory, "journal.db");
}

/** The kinds of problem in a report, each once. */
export function kindsOf(report: VerifyReport): ProblemKind[] {
  return [...new Set(report.problems.map((problem) => problem.kind))];
}

/** Number of actions that the checkpoint of a place covers. */
export function publishedSize(world: TestWorld, files: AuditFiles = world.files): number {
  const note = files.read("checkpoint")?.toString() ?? assert.fail("no checkpoint");
  return openCheckpoint(note, world.verifiers).size;
}
