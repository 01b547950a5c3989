import { duration, figure, shortDigest } from "./format.ts";
import type { HostState, RuleVerdict, ViewHost, ViewModel, ViewRule, ViewStep } from "./model.ts";

/** One thing that changed between two models: an event for machines, a line for people. */
export interface Change {
  readonly event: "deployment" | "step" | "host" | "traffic" | "rule" | "progress" | "waiting" | "problem" | "log";
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** For machines only: people would lose what matters among lines like this one. */
  readonly quiet?: boolean;
}

/** What is new in `after`, in the order in which people want to read it; everything when `before` is null. Pure. */
export function changes(before: ViewModel | null, after: ViewModel): Change[] {
  const all = [
    ...began(before, after),
    ...stepsAndLogs(before, after),
    ...hostChanges(before, after),
    ...trafficChange(before, after),
    ...ruleChanges(before, after),
    ...progressChange(before, after),
    ...problemChanges(before, after),
    ...waitingChange(before, after),
    ...ended(before, after),
  ];
  return all.map((change) => ({ ...change, data: { deployment: after.deployment, ...change.data } }));
}

function began(before: ViewModel | null, after: ViewModel): Change[] {
  if (before !== null) return [];
  const { service, environment, from, to, planDigest, state } = after;
  const versions = to === null ? "" : from === null ? ` ${to}` : ` ${from} to ${to}`;
  const text = `${after.deployment}  ${service} in ${environment}${versions}, plan ${shortDigest(planDigest)}`;
  return [{ event: "deployment", text, data: { service, environment, from, to, planDigest, state } }];
}

function ended(before: ViewModel | null, after: ViewModel): Change[] {
  if ((before?.state ?? null) === after.state && before?.reason === after.reason) return [];
  const { state, reason } = after;
  // The failed step has just said the same.
  const isSaid =
    (state === "rolling-back" || isSingle(after)) &&
    after.phases.some((phase) => phase.steps.some(({ note }) => note === reason));
  const text = `${after.deployment}  ${state.replaceAll("-", " ")}${reason === undefined || isSaid ? "" : `: ${reason}`}`;
  const quiet = (before === null && state === "running") || (isSingle(after) && state === "succeeded");
  return [{ event: "deployment", text, data: { state, ...(reason === undefined ? {} : { reason }) }, quiet }];
}

/** One step says it all by itself: what is run by hand. */
function isSingle({ phases }: ViewModel): boolean {
  return phases.length === 1 && phases[0]?.steps.length === 1;
}

/** What a step wrote stands between its beginning and its end. */
function stepsAndLogs(before: ViewModel | null, after: ViewModel): Change[] {
  const [changed, written] = [steps(before, after), logs(before, after)];
  const begun = new Set(changed.filter(({ data }) => data["state"] === "running").map(({ data }) => data["title"]));
  const isLater = ({ data }: Change): boolean => begun.has(data["step"]);
  return [...written.filter((entry) => !isLater(entry)), ...changed, ...written.filter(isLater)];
}

function logs(before: ViewModel | null, after: ViewModel): Change[] {
  const last = before?.log.at(-1);
  const from =
    last === undefined ? 0 : 1 + after.log.findLastIndex((entry) => entry.at === last.at && entry.text === last.text);
  return after.log.slice(from).map((entry) => {
    const text = entry.step === undefined || isSingle(after) ? entry.text : `${entry.step}  ${entry.text}`;
    return {
      event: "log",
      text,
      data: { logged: entry.at, text: entry.text, ...(entry.step === undefined ? {} : { step: entry.step }) },
    };
  });
}

function steps(before: ViewModel | null, after: ViewModel): Change[] {
  const old = new Map(before?.phases.flatMap((phase) => phase.steps.map((step) => [step.id, step] as const)));
  return after.phases.flatMap((phase) =>
    phase.steps
      .filter((step) => isNews(old.get(step.id), step))
      .map((step): Change => {
        const { id, title, state, ms, note } = step;
        const took = ms === undefined || state === "running" ? "" : ` (${duration(ms)})`;
        const said = note === undefined || note === "" ? "" : `: ${note}`;
        const where = isSingle(after) ? "" : ` ${phase.title} /`;
        const named = isSingle(after) && state !== "running" ? "" : ` ${title}`;
        const text = `${state.padEnd(8)}${where}${named}${took}${said}`;
        const extra = { ...(ms === undefined ? {} : { ms }), ...(note === undefined ? {} : { note }) };
        return { event: "step", text, data: { step: id, phase: phase.title, title, state, ...extra } };
      }),
  );
}

/** A new state is news; what a running step says of itself changes all the time and is not. */
function isNews(old: ViewStep | undefined, step: ViewStep): boolean {
  return (old?.state ?? "pending") !== step.state;
}

function hostChanges(before: ViewModel | null, after: ViewModel): Change[] {
  const old = new Map(before?.hosts.map((host) => [host.name, host]));
  return after.hosts.flatMap((host): Change[] => {
    const known = old.get(host.name);
    if (known !== undefined && known.state === host.state && known.version === host.version) return [];
    const weight = host.weight === null || host.weight === 0 ? "" : `, ${figure(host.weight, "%")} of the traffic`;
    const text = `${host.name}  ${host.state}, version ${host.version ?? "unknown"}${weight}`;
    const { name, state, version, sessions } = host;
    const data = { host: name, state, version, weight: host.weight, sessions };
    return [{ event: "host", text, data, quiet: !isHostNews(known, host) }];
  });
}

/** Between leaving the traffic and coming back. */
const WITHIN_A_TURN: readonly HostState[] = ["drained", "installing", "activating", "confirming", "healthy"];

/** People read when a host leaves the traffic, comes back or is down; that all serve at the beginning is nothing new. */
function isHostNews(known: ViewHost | undefined, host: ViewHost): boolean {
  if (known === undefined) return host.state !== "serving";
  return known.state !== host.state && !WITHIN_A_TURN.includes(host.state);
}

function trafficChange(before: ViewModel | null, after: ViewModel): Change[] {
  if (after.traffic.length === 0 || (before !== null && shares(before) === shares(after))) return [];
  return [{ event: "traffic", text: `traffic  ${shares(after)}`, data: { traffic: after.traffic } }];
}

function shares(model: ViewModel): string {
  return model.traffic.map(({ version, percent }) => `${version} ${figure(percent, "%")}`).join(", ");
}

function ruleChanges(before: ViewModel | null, after: ViewModel): Change[] {
  const old = new Map(before?.rules.map((rule) => [ruleKey(rule), rule.verdict]));
  const isBad = (verdict: RuleVerdict | undefined): boolean => verdict === "degraded" || verdict === "blind";
  return after.rules.flatMap((rule): Change[] => {
    if (old.get(ruleKey(rule)) === rule.verdict) return [];
    const { id, name, arm, value, limit, unit, verdict, evidence } = rule;
    const against = limit === null ? "" : ` of ${figure(limit, unit)}`;
    const proof = evidence === undefined ? "" : ` (${evidence})`;
    const text = `${name}, ${arm}: ${verdict} at ${figure(value, unit)}${against}${proof}`;
    // Verdicts come and go as long as there is little to judge from.
    const quiet = !isBad(verdict) && !isBad(old.get(ruleKey(rule)));
    return [
      {
        event: "rule",
        text,
        data: { rule: id, name, arm, value, limit, unit, verdict, ...(evidence === undefined ? {} : { evidence }) },
        quiet,
      },
    ];
  });
}

function ruleKey(rule: ViewRule): string {
  return `${rule.id} ${rule.arm}`;
}

function progressChange(before: ViewModel | null, after: ViewModel): Change[] {
  const { progress } = after;
  if (progress === null || (before?.progress?.title === progress.title && before.progress.until === progress.until))
    return [];
  const { title, what } = progress;
  const text = `${title}${what === undefined ? "" : ` ${what}`}  ${duration(progress.until - progress.since)}`;
  return [{ event: "progress", text, data: { ...progress } }];
}

function problemChanges(before: ViewModel | null, after: ViewModel): Change[] {
  const old = new Set(before?.problems.map(withoutFigures));
  const rules = after.rules.filter(({ verdict }) => verdict === "degraded" || verdict === "blind");
  return after.problems
    .filter((text) => !old.has(withoutFigures(text)))
    .map((text) => ({
      event: "problem",
      text: `problem  ${text}`,
      data: { text },
      // Its rule has just said so.
      quiet: rules.some(({ name }) => text.startsWith(`${name}:`)),
    }));
}

/** "no data for 4 s" is what "no data for 3 s" was. */
function withoutFigures(text: string): string {
  return text.replaceAll(/\d[\d.,]*/g, "#");
}

function waitingChange(before: ViewModel | null, after: ViewModel): Change[] {
  const { waiting } = after;
  if (waiting === null || before?.waiting?.for === waiting.for) return [];
  const command = waiting.command === undefined ? "" : `; ${waiting.command}`;
  const { for: what, until } = waiting;
  const data = { for: what, until, ...(waiting.command === undefined ? {} : { command: waiting.command }) };
  return [{ event: "waiting", text: `waiting for ${what}${command}`, data }];
}
