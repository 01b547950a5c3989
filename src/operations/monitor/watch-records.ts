/** What the records of a watch say when it goes on after a crash. */
import type { InterruptReason } from "../../engine/context.ts";
import type { Json } from "../../json.ts";
import type { Judgement } from "../../analysis/verdict.ts";
import type { Bake } from "./bake.ts";
import type { WatchRecord } from "./ports.ts";

/** The bakes that have begun, by name. */
export function bakesOf(records: readonly WatchRecord[]): Map<string, Bake> {
  const bakes = new Map<string, Bake>();
  for (const { kind, data } of records) {
    if (kind === "bake") {
      const bake = data as unknown as Bake;
      bakes.set(bake.name, { ...bake, extendedAt: null });
    } else if (kind === "extension") {
      const { name, extendedAt } = data as { name: string; extendedAt: number };
      const bake = bakes.get(name);
      if (bake !== undefined) bakes.set(name, { ...bake, extendedAt });
    }
  }
  return bakes;
}

/** The key of the last recorded verdict; empty when there is none. */
export function lastVerdict(records: readonly WatchRecord[]): string {
  const last = records.findLast((record) => record.kind === "verdict");
  return last === undefined ? "" : keyOf(last.data as unknown as Judgement);
}

/** What was raised for the trouble that goes on: an interrupt record since the last verdict that was not degraded. */
export function raisedBy(records: readonly WatchRecord[]): InterruptReason["kind"][] {
  const calm = records.findLastIndex(({ kind, data }) => kind === "verdict" && !isDegraded(data));
  return records.slice(calm + 1).flatMap(({ kind, data }) => {
    return kind === "interrupt" ? [(data as { kind: InterruptReason["kind"] }).kind] : [];
  });
}

/** A degraded verdict that no interrupt was raised for before the crash. */
export function pendingIn(records: readonly WatchRecord[]): InterruptReason | null {
  const at = records.findLastIndex(({ kind, data }) => kind === "verdict" && isDegraded(data));
  if (at === -1 || records.slice(at + 1).some(({ kind }) => kind === "interrupt")) return null;
  const verdict = records[at]!.data as unknown as Pick<Judgement, "action" | "by" | "eValue" | "reasons">;
  const kind = verdict.action === "hold" ? "hold" : "breach";
  if (raisedBy(records).includes(kind)) return null;
  return reasonOf(kind, { ...verdict, at: records[at]!.at });
}

function isDegraded(data: Json): boolean {
  return (data as { verdict?: string }).verdict === "degraded";
}

/** What the durable interrupt says: the rule, and the evidence for people. */
export function reasonOf(
  kind: InterruptReason["kind"],
  { by, eValue, reasons, at }: Pick<Judgement, "by" | "eValue" | "reasons" | "at">,
): InterruptReason {
  return { kind, by: by ?? "all rules", detail: { eValue, reasons: [...reasons], at } };
}

/** A verdict is recorded when one of these changes. */
export function keyOf(judgement: Pick<Judgement, "verdict" | "action" | "by">): string {
  return `${judgement.verdict} ${judgement.action} ${judgement.by ?? ""}`;
}
