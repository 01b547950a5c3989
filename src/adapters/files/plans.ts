import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { thaw } from "../../plan/digest.ts";
import type { Plan } from "../../plan/model.ts";

/** Plans that were made, by digest. */
export interface PlanStore {
  keep(plan: Plan): void;
  /** By `sha256:<hex>` or at least 6 of its hex digits; undefined when none or several fit. @throws PLAN_INVALID */
  find(reference: string): Plan | undefined;
}

/** Keeps plans as files `<dir>/<hex of the digest>.json`, each written whole or not at all. */
export function filePlans(dir: string): PlanStore {
  return {
    keep(plan) {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const file = path.join(dir, `${plan.digest.replace("sha256:", "")}.json`);
      if (existsSync(file)) return;
      const temporary = `${file}.${process.pid}`;
      writeFileSync(temporary, `${JSON.stringify(plan)}\n`, { mode: 0o600, flush: true });
      renameSync(temporary, file);
    },
    find(reference) {
      const hex = reference.replace(/^sha256:/, "");
      if (!/^[0-9a-f]{6,64}$/.test(hex) || !existsSync(dir)) return undefined;
      const names = readdirSync(dir).filter((name) => name.startsWith(hex) && name.endsWith(".json"));
      const [name] = names;
      if (name === undefined || names.length > 1) return undefined;
      const file = path.join(dir, name);
      return thaw(readFileSync(file, "utf8"), file);
    },
  };
}
