import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { z } from "zod";
import { canonicalJson, sha256 } from "../json.ts";
import type { System } from "./schema.ts";

type Inventory = NonNullable<System["inventory"]>;

const keptSchema = z.strictObject({ inventory: z.string(), readAt: z.number(), text: z.string() });

/** What an inventory listed, as it was written, and when it was read: ms since the epoch. */
export interface Listed {
  readonly inventory: Inventory;
  readonly readAt: number;
  readonly text: string;
}

const fileIn = (stateDir: string): string => path.join(stateDir, "inventory.json");
const idOf = (inventory: Inventory): string => sha256(canonicalJson(inventory));

/**
 * Keeps what an inventory lists in the state directory, for whoever has to act while the inventory cannot be read. What
 * cannot be kept is not missed until then.
 */
export function keepInventory(stateDir: string, { inventory, readAt, text }: Listed): void {
  const part = `${fileIn(stateDir)}.${process.pid}`;
  try {
    writeFileSync(part, JSON.stringify({ inventory: idOf(inventory), readAt, text }), { mode: 0o600 });
    renameSync(part, fileIn(stateDir));
  } catch {
    rmSync(part, { force: true });
  }
}

/** What the same inventory listed last; null when nothing that can be read was kept of it. */
export function lastInventory(stateDir: string, inventory: Inventory): Omit<Listed, "inventory"> | null {
  try {
    const kept = keptSchema.parse(JSON.parse(readFileSync(fileIn(stateDir), "utf8")));
    return kept.inventory === idOf(inventory) ? kept : null;
  } catch {
    return null;
  }
}
