import type { Json } from "../json.ts";
import type { Difference, Part } from "./differences.ts";

/** One line for people: what it was, what it is. */
export function describeDifference(difference: Difference): string {
  const { path, before, after, reordered } = difference;
  const what = subjectOf(path);
  const name = nameOf(path);
  const told = (value: Json | undefined): string => valueText(value, name);
  if (reordered === true) return `the order of ${what} was ${told(before)}; it is ${told(after)}`;
  if (isDigest(before) && isDigest(after)) return `${what} has changed (${told(before)} to ${told(after)})`;
  if (isMissing(before)) return `${what} is new: ${told(after)}`;
  if (isMissing(after)) return `${what} is gone; it was ${told(before)}`;
  return `${what} was ${told(before)}, is ${told(after)}`;
}

function isMissing(value: Json | undefined): boolean {
  return value === undefined || value === null;
}

function nameOf(path: readonly Part[]): string {
  const last = path.findLast((part) => "key" in part);
  return last !== undefined && "key" in last ? last.key : "";
}

/** What the lists of a plan hold, one of them and all of them. */
const ELEMENTS: Readonly<Record<string, readonly [one: string, all: string]>> = {
  gates: ["gate", "the gates"],
  windows: ["maintenance window", "the maintenance windows"],
  approvals: ["approval by", "the approvals"],
  phases: ["phase", "the phases"],
  steps: ["step", "the steps"],
  rollback: ["rollback step", "the steps of the rollback"],
  rules: ["rule", "the rules"],
  closing: ["closing item", "the closing items"],
  contacts: ["contact", "the contacts"],
  escalation: ["escalation level", "the escalation"],
  compliance: ["compliance item", "the compliance items"],
  added: ["addition of Sunny", "what Sunny adds"],
};

/** What the members of steps, gates and plans are to people. */
const MEMBERS: Readonly<Record<string, string>> = {
  operation: "what it runs",
  args: "its arguments",
  changes: "what it changes",
  deadlineMs: "its deadline",
  source: "where it comes from",
  sha256: "its script",
  facts: "what was found of it",
  wayBack: "its way back",
  text: "its text",
  title: "its title",
  line: "its line in the runbook",
  when: "when it runs",
  direction: "its direction",
  binding: "what opens it",
  terms: "its terms",
  start: "when it opens",
  end: "when it closes",
  zone: "its time zone",
  days: "its days",
  validMs: "how long an answer counts",
  count: "how many are needed",
  metrics: "the metrics that answer for the rules",
  release: "the release",
  previous: "the release to go back to",
  version: "its version",
  digest: "its digest",
  sunny: "the version of Sunny",
  workflow: "the workflow",
  author: "the author",
  reason: "the reason",
  environment: "the environment",
  service: "the service",
  kind: "its kind",
  file: "its file",
  noWayBackAccepted: "whether having no way back is accepted",
};

/** "step deploy/roll-out: its deadline", "rollout.drainTimeoutMs of the configuration". */
function subjectOf(path: readonly Part[]): string {
  const [first, ...rest] = path;
  if (first === undefined) return "the plan";
  if ("key" in first && first.key === "system") return `${keyText(rest)} of the configuration`;
  if ("key" in first && first.key === "runbook" && !rest.some((part) => "key" in part && part.key !== "digest")) {
    return "the text of the runbook";
  }
  const words: string[] = [];
  let within: string | undefined;
  for (const [index, part] of path.entries()) {
    const next = path[index + 1];
    if (!("key" in part)) {
      const [one] = ELEMENTS[within ?? ""] ?? ["element"];
      words.push("id" in part ? `${one} ${quoted(one, part.id)}` : `${one} ${part.index + 1}`);
    } else if (part.key in ELEMENTS && (next === undefined || !("key" in next))) {
      within = part.key;
      if (next === undefined) words.push(ELEMENTS[part.key]?.[1] ?? part.key);
    } else if (part.key === "rollback") {
      words.push("the rollback");
    } else {
      words.push(MEMBERS[part.key] ?? part.key);
    }
  }
  // A step is found by its own name, whatever phase it is in.
  const from = words.findLastIndex((word) => /^(?:rollback )?step /.test(word));
  return words.slice(Math.max(0, from)).join(": ");
}

function quoted(one: string, id: string): string {
  return one.endsWith("by") ? id : `"${id}"`;
}

/** A key of the configuration as it is written there. */
function keyText(path: readonly Part[]): string {
  return path.reduce((text, part) => {
    if ("key" in part) return text === "" ? part.key : `${text}.${part.key}`;
    return "id" in part ? `${text} "${part.id}"` : `${text}[${part.index}]`;
  }, "");
}

const MAX_TEXT = 160;

function valueText(value: Json | undefined, name: string): string {
  const text = plain(value, name);
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1).trimEnd()}…`;
}

function plain(value: Json | undefined, name: string): string {
  if (value === undefined || value === null) return "nothing";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return name.endsWith("Ms") ? duration(value) : String(value);
  if (typeof value === "string") return isDigest(value) ? value.replace(/^sha256:/, "").slice(0, 12) : value || "empty";
  if (isList(value)) return value.length === 0 ? "nothing" : value.map((one) => plain(one, name)).join(", ");
  return record(value);
}

type Fields = { readonly [key: string]: Json };

/** A thing of the plan by what people know it by; any other with its members. */
function record(value: Fields): string {
  const text = (key: string): string | undefined => (typeof value[key] === "string" ? value[key] : undefined);
  const operation = text("operation");
  const title = text("title");
  if (title !== undefined && operation !== undefined) return `${title} (${operation})`;
  const steps = value["steps"];
  if (title !== undefined && steps !== undefined && isList(steps)) return `${title}, with ${plain(steps, "steps")}`;
  if (title !== undefined) return title;
  const role = text("role");
  if (role !== undefined && typeof value["count"] === "number") return `${value["count"]} by ${role}`;
  if (text("kind") === "launcher" || text("kind") === "foreign") return `${text("path") ?? ""}, ${text("found") ?? ""}`;
  const sentence = text("text");
  if (sentence !== undefined) {
    const binding = value["binding"];
    return typeof binding === "string" ? `${sentence} (${binding})` : sentence;
  }
  const members = Object.entries(value).filter(([, member]) => !isMissing(member) && !isEmpty(member));
  if (members.length === 0) return "nothing";
  return members.map(([key, member]) => memberText(key, member)).join(", ");
}

function memberText(key: string, value: Json): string {
  const told = plain(value, key);
  const isRecord = typeof value === "object" && value !== null && !isList(value);
  return isRecord ? `${key} (${told})` : `${key} ${told}`;
}

function isEmpty(value: Json): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function isDigest(value: Json | undefined): boolean {
  return typeof value === "string" && /^(?:sha256:)?[0-9a-f]{64}$/.test(value);
}

function duration(ms: number): string {
  for (const [unit, size] of [
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1_000],
  ] as const) {
    if (ms >= size && ms % size === 0) return `${ms / size} ${unit}`;
  }
  return `${ms} ms`;
}
