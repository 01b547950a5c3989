import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { AuditLog } from "../src/audit/log.ts";
import { openAuditLog } from "../src/audit/open-log.ts";
import { generateKey, parseSigner, type NoteSigner } from "../src/audit/note.ts";
import { systemClock } from "../src/clock.ts";
import type { Journal } from "../src/engine/journal.ts";
import { leafOf } from "../src/engine/leaf.ts";
import { openJournal } from "../src/engine/open-journal.ts";

/** A directory on the disk of the clone, since a temporary directory may be in memory, where a commit costs nothing. */
export function scratch(): { readonly dir: string; remove(): void } {
  const dir = mkdtempSync(path.join(import.meta.dirname, "..", ".bench-"));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

export function benchSigner(): string {
  return generateKey("sunny-bench").signer;
}

/** Journal and audit log in one file, as an environment has them. */
export function openBenchRecords(dir: string, key: string): { readonly journal: Journal; close(): void } {
  const signer: NoteSigner = parseSigner(key);
  let audit: AuditLog | undefined;
  const journal = openJournal(path.join(dir, "journal.db"), {
    clock: systemClock,
    toLeaf: leafOf({ service: "bench", host: "bench", pid: 1 }),
    sink: (db: DatabaseSync) => {
      const [log, copy] = [path.join(dir, "log"), path.join(dir, "copy")];
      audit = openAuditLog({ db, dir: log, copyDir: copy, origin: "sunny/bench", signer, clock: systemClock });
      return audit;
    },
  });
  return {
    journal,
    close() {
      audit?.close();
      journal.close();
    },
  };
}
