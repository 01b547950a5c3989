import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { Backend } from "./backend.ts";

/** The right under which something is ordered, as it comes over the control socket. */
export const proxyFenceSchema = z.strictObject({
  authority: z.string(),
  token: z.int(),
  /** The step; attempts are only compared within one. */
  key: z.string(),
  attempt: z.int(),
});
export type ProxyFence = z.output<typeof proxyFenceSchema>;

/** What is kept in the state file. */
export interface OrdersState {
  readonly fence: { readonly authority: string; readonly token: number } | null;
  readonly servers: Readonly<Record<string, { readonly admin: Backend["admin"]; readonly weightPercent: number }>>;
}

/** How many steps are remembered with their attempts; more than a deployment has at once. */
const KEPT_KEYS = 256;

/** What was ordered and by whom: refuses older orders, and survives a restart of the proxy. */
export interface Orders {
  /** Why the order is refused, or undefined after it was taken down as the newest. */
  admit(fence: ProxyFence): string | undefined;
  adopt(fence: ProxyFence): string | null;
  fence(): OrdersState["fence"];
  save(): void;
}

/** Reads `stateFile` and brings the servers into the state that was ordered last. A file that cannot be read is no state. */
export function openOrders(stateFile: string, backends: readonly Backend[]): Orders {
  const state = readState(stateFile);
  let fence = state?.fence ?? null;
  const attempts = new Map<string, number>();
  for (const backend of backends) backend.order(state?.servers[backend.name] ?? {});

  const save = (): void => {
    const servers = Object.fromEntries(
      backends.map(({ name, admin, weightPercent }) => [name, { admin, weightPercent }] as const),
    );
    const next: OrdersState = { fence, servers };
    writeFileSync(`${stateFile}.new`, `${JSON.stringify(next)}\n`, { mode: 0o600, flush: true });
    renameSync(`${stateFile}.new`, stateFile);
  };
  return {
    admit({ authority, token, key, attempt }) {
      if (fence !== null && fence.authority !== authority)
        return `it belongs to authority ${fence.authority}, not to ${authority}`;
      if (fence !== null && fence.token > token) return `it has seen token ${fence.token}, this one is ${token}`;
      if (fence === null || fence.token < token) attempts.clear();
      const seen = attempts.get(key) ?? 0;
      if (seen > attempt) return `it has seen attempt ${seen} of this step, this one is ${attempt}`;
      attempts.delete(key);
      attempts.set(key, attempt);
      const oldest = attempts.keys().next();
      if (attempts.size > KEPT_KEYS && oldest.done !== true) attempts.delete(oldest.value);
      fence = { authority, token };
      return undefined;
    },
    adopt({ authority, token }) {
      const from = fence?.authority ?? null;
      fence = { authority, token };
      attempts.clear();
      save();
      return from;
    },
    fence: () => fence,
    save,
  };
}

function readState(stateFile: string): OrdersState | null {
  try {
    return JSON.parse(readFileSync(stateFile, "utf8")) as OrdersState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
