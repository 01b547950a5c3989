import { z } from "zod";
import type { Judgement, RuleJudgement } from "../../analysis/verdict.ts";
import { describeLimit, describeObserved, formatE } from "../../analysis/wording.ts";
import { defineOperation, type Finding, type Operation, type OperationCall } from "../../operation.ts";
import { bad, concluded, durationText, good, looked, readStep } from "./findings.ts";
import type { CheckPorts, Monitored } from "./ports.ts";
import { ruleFindings } from "./verify-monitoring.ts";

/** Where no length of an interval is configured. */
const INTERVAL_MS = 5_000;
const LEAST_MS = 10_000;
const MOST_SECONDS = 86_400;

const args = z.strictObject({
  _: z.array(z.string()).max(0, "takes no arguments but --seconds").default([]),
  /** How long to watch; without it a few intervals, at least 10 s. */
  seconds: z.coerce.number().min(1).max(MOST_SECONDS).optional(),
});
type Args = z.output<typeof args>;

type WatchPorts = Pick<CheckPorts, "clock" | "monitoring">;

/**
 * `monitor-deployment`: watches every host against the runbook's thresholds and fails when one is degraded or blind. The
 * bakes of a rollout are part of it; this is one more look at the whole fleet, after the rollout or by hand.
 */
export function monitorDeploymentOperation(ports: WatchPorts): Operation {
  return defineOperation<Args>({
    name: "monitor-deployment",
    script: "sh",
    title: "Watches every host against the thresholds of the runbook",
    args,
    changes: [],
    deadlineMs: MOST_SECONDS * 1000 + 120_000,
    run: async (ctx, call) => {
      const { watchMs } = lengths(call);
      const { findings, watched, unseen } = await readStep(ctx, call, "watch", watchMs + 120_000, ({ signal, log }) =>
        watch(ports, call, signal, log),
      );
      const limits = unseen.length === 0 ? "every threshold" : "the thresholds that could be judged";
      const rest = unseen.length === 0 ? "" : `; nothing was observed for ${unseen.join(", ")}`;
      return concluded(findings, `${watched} hosts stayed within ${limits} for ${durationText(watchMs)}${rest}`, {
        watchMs,
      });
    },
  });
}

function lengths({ args: { seconds }, system }: OperationCall<Args>): { intervalMs: number; watchMs: number } {
  const intervalMs = system.monitoring.intervalMs ?? INTERVAL_MS;
  const watchMs = seconds === undefined ? Math.max(LEAST_MS, 4 * intervalMs) : seconds * 1000;
  return { intervalMs: Math.min(intervalMs, watchMs / 4), watchMs };
}

async function watch(
  ports: WatchPorts,
  call: OperationCall<Args>,
  signal: AbortSignal,
  log: (text: string) => void,
): Promise<{ findings: Finding[]; watched: number; unseen: string[] }> {
  const hosts = call.system.hosts.map(({ name }) => name);
  let unseen: string[] = [];
  const findings = await looked("monitoring", signal, async () => {
    const monitored = await ports.monitoring.monitored(signal);
    const usable = ruleFindings(monitored);
    if (usable.some(({ ok }) => !ok)) return usable;
    const judgements = await judged(monitored, ports, call, hosts, signal);
    unseen = unseenRules(judgements);
    return [...judgements].flatMap(([host, judgement]) => hostFindings(host, judgement, monitored));
  });
  for (const { subject, message } of findings) log(`${subject}: ${message}\n`);
  return { findings, watched: hosts.length, unseen };
}

async function judged(
  monitored: Monitored,
  { clock }: WatchPorts,
  call: OperationCall<Args>,
  hosts: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Judgement>> {
  const { source, rules } = monitored;
  const { alpha } = call.system.monitoring;
  const { watchHosts } = await import("./watch-hosts.ts");
  return watchHosts({ source, rules, hosts, clock, alpha, ...lengths(call) }, signal);
}

/** Rules that had nothing to judge, such as an error rate without requests, with the hosts unless it is all of them. */
function unseenRules(judgements: ReadonlyMap<string, Judgement>): string[] {
  const hosts = new Map<string, string[]>();
  for (const [host, { rules }] of judgements) {
    for (const { title, observed } of rules) {
      if (observed === null) hosts.set(title, [...(hosts.get(title) ?? []), host]);
    }
  }
  return [...hosts].map(([title, on]) => (on.length === judgements.size ? title : `${title} on ${on.join(", ")}`));
}

function hostFindings(host: string, judgement: Judgement, monitored: Monitored): Finding[] {
  if (judgement.verdict === "degraded") {
    const named = judgement.rules.filter((rule) => rule.verdict === "degraded" || rule.rule === judgement.by);
    return named.map((rule) => bad(`${host}: ${rule.title}`, `degraded: ${figures(rule, monitored)}`));
  }
  if (judgement.verdict === "blind") {
    const blind = judgement.rules.filter(({ verdict }) => verdict === "blind");
    return blind.map((rule) => bad(`${host}: ${rule.title}`, `blind: ${rule.reasons.join("; ")}`));
  }
  if (judgement.intervals === 0) return [bad(host, "blind: no interval was observed")];
  return [good(host, judgement.rules.map((rule) => `${rule.title}: ${figures(rule, monitored)}`).join("; "))];
}

function figures(judgement: RuleJudgement, { rules }: Monitored): string {
  const rule = rules.find(({ id }) => id === judgement.rule);
  if (rule === undefined || judgement.observed === null) return "nothing observed";
  const evidence = `e-value ${formatE(judgement.eValue)} of ${formatE(judgement.needed)} needed`;
  return `${describeObserved(rule, judgement.observed)}, limit ${describeLimit(rule)} (${evidence})`;
}
