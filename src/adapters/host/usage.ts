import type { HostState, Usage } from "../../operations/rollout/ports.ts";

/** Reads what `usageScript` printed; null when the service does not run. */
export function parseUsage(output: string): Usage | null {
  const match = /^usage (\d+) (\d+) ([\d.]+) (\d+) (\d+) (\d+)$/m.exec(output);
  if (match === null) return null;
  const [pid = 0, cpuMs = 0, upSeconds = 0, cpuHundredths = 0, rssBytes = 0, limitBytes = 0] = match
    .slice(1)
    .map(Number);
  return { pid, cpuMs, atMs: Math.round(upSeconds * 1000), cpus: cpuHundredths / 100, rssBytes, limitBytes };
}

/** The releases that may go, oldest first. Never the active, the previous, a pending one or its way back. */
export function releasesToPrune(
  state: HostState,
  order: { readonly keep: number; readonly protectedIds: readonly string[] },
): readonly string[] {
  const kept = new Set<string | null | undefined>([
    state.active?.id,
    state.previous?.id,
    state.pending?.releaseId,
    state.pending?.previousId,
    ...order.protectedIds,
  ]);
  const free = state.releases.map((release) => release.id).filter((id) => !kept.has(id));
  const surplus = state.releases.length - order.keep;
  return surplus <= 0 ? [] : free.slice(0, surplus);
}
