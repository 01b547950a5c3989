import { Interrupted } from "../engine/context.ts";
import type { Json } from "../json.ts";

/** Why a step or a deployment did not go on, as a sentence for people. */
export function reasonOf(error: Error): string {
  if (!(error instanceof Interrupted)) return error.message;
  const { kind, by, detail } = error.reason;
  const text = detailText(detail);
  switch (kind) {
    case "breach":
      return text === "" ? `the limit ${by} was breached` : text;
    case "abort":
      return `aborted by ${by}${text === "" ? "" : `: ${text}`}`;
    case "hold":
      return `held by ${by}${text === "" ? "" : `: ${text}`}`;
  }
}

/** What an interrupt says of itself: its text, what a person gave as the reason, or the reasons that the watcher gives. */
export function detailText(detail: Json): string {
  if (detail === null) return "";
  if (typeof detail === "string") return detail;
  // What a person said when resolving a step.
  if (typeof detail === "object" && "reason" in detail && typeof detail["reason"] === "string") return detail["reason"];
  if (typeof detail === "object" && "reasons" in detail && Array.isArray(detail["reasons"])) {
    const reasons = detail["reasons"].filter((reason) => typeof reason === "string");
    if (reasons.length > 0) return reasons.join("; ");
  }
  return JSON.stringify(detail);
}
