import { randomUUID } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import type { StatementStore, StoredStatement } from "../../gate/store.ts";

/**
 * Keeps statements as files under `<dir>/<hex of the digest>/<n>.json`, and beside each that was used the run that used it
 * as `<n>.used`. Each is written whole or not at all.
 */
export function fileStatements(dir: string): StatementStore {
  const folder = (digest: string): string =>
    path.join(dir, digest.replace(/^sha256:/, "").replaceAll(/[^0-9a-f]/g, ""));
  const names = (digest: string): string[] => {
    const at = folder(digest);
    if (!existsSync(at)) return [];
    return readdirSync(at)
      .filter((name) => /^\d{6}\.json$/.test(name))
      .toSorted();
  };
  return {
    list: (digest) =>
      names(digest).map((name) => {
        const file = path.join(folder(digest), name);
        return { ...(JSON.parse(readFileSync(file, "utf8")) as StoredStatement), usedBy: userOf(file) };
      }),
    add(digest, statement) {
      const at = folder(digest);
      mkdirSync(at, { recursive: true, mode: 0o700 });
      whole(at, `${JSON.stringify(statement)}\n`, (temporary) => {
        while (!placed(temporary, path.join(at, nextName(names(digest).at(-1)))));
      });
    },
    use(digest, runId) {
      const at = folder(digest);
      const unused = names(digest).filter((name) => userOf(path.join(at, name)) === null);
      if (unused.length === 0) return;
      whole(at, `${runId}\n`, (temporary) => {
        for (const name of unused) placed(temporary, usedFile(path.join(at, name)));
      });
    },
  };
}

function usedFile(statement: string): string {
  return statement.replace(/\.json$/, ".used");
}

function userOf(statement: string): string | null {
  const file = usedFile(statement);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : null;
}

/** Writes a file of another name, which `place` links to where it belongs. */
function whole(dir: string, text: string, place: (temporary: string) => void): void {
  const temporary = path.join(dir, `.${process.pid}-${randomUUID()}`);
  try {
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    place(temporary);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function nextName(last: string | undefined): string {
  return `${String(Number(last?.slice(0, 6) ?? 0) + 1).padStart(6, "0")}.json`;
}

/** False when somebody else was faster with that name: nothing takes the place of what is there. */
function placed(temporary: string, file: string): boolean {
  try {
    linkSync(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
