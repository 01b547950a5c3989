import type { GaugeRule, Rule } from "./rule.ts";

const GAUGED: Readonly<Record<GaugeRule["gauge"], string>> = {
  "queue-length": "queued",
  "db-connections": "connections",
  cpu: "cpu",
  memory: "memory",
};

/** An e-value for people: two digits below 10, whole above, powers of ten when huge. */
export function formatE(value: number): string {
  if (value < 10) return value.toFixed(value < 1 ? 2 : 1).replace(/\.?0+$/, "");
  return value < 1e6 ? String(Math.round(value)) : `10^${Math.floor(Math.log10(value))}`;
}

/** A part or share as a percentage: "0.42 %", "12 %". */
export function formatPercent(value: number): string {
  const percent = value * 100;
  const digits = percent === 0 || percent >= 10 ? 0 : percent >= 1 ? 1 : 2;
  return `${percent
    .toFixed(digits)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "")} %`;
}

/** Seconds for people: "500 ms", "1.5 s". */
export function formatSeconds(seconds: number): string {
  return seconds < 1 ? `${Number((seconds * 1000).toPrecision(4))} ms` : `${Number(seconds.toPrecision(4))} s`;
}

/** What was observed, in the words of the rule: "1.4 % errors", "p95 rule: 7 % slower than 500 ms". */
export function describeObserved(rule: Rule, observed: number): string {
  switch (rule.kind) {
    case "error-rate":
    case "errors-versus-baseline":
      return `${formatPercent(observed)} errors`;
    case "latency":
      return `${formatPercent(observed)} slower than ${formatSeconds(rule.edgeSeconds)}`;
    case "latency-versus-baseline":
      return `${formatPercent(observed)} slower than ${formatSeconds(rule.cuts.at(-1)?.canarySeconds ?? 0)}`;
    case "usage":
      return `${formatPercent(observed)} ${rule.resource}`;
    case "gauge":
      return `${rule.relative ? formatPercent(observed) : Number(observed.toPrecision(4))} ${GAUGED[rule.gauge]}`;
  }
}

/** "85.4 % memory is beyond the limit of 85 %": with as many digits as it takes to see that it is. */
export function describeBeyond(rule: Rule, observed: number, limit: number): string {
  const plain = describeObserved(rule, observed);
  if (rule.kind === "gauge" && !rule.relative) return `${plain} is beyond the limit of ${limit}`;
  const [said, allowed] = [formatPercent(observed), formatPercent(limit)];
  if (said !== allowed) return `${plain} is beyond the limit of ${allowed}`;
  const exact = `${Number((observed * 100).toPrecision(4))} %`;
  return `${plain.replace(said, exact === said ? `just above ${said}` : exact)} is beyond the limit of ${allowed}`;
}

/** The limit in the same words: "1 %", "5 % slower than 500 ms", "80 %", "the baseline". */
export function describeLimit(rule: Rule): string {
  switch (rule.kind) {
    case "error-rate":
    case "usage":
      return formatPercent(rule.limit);
    case "latency":
      return `${formatPercent(rule.limit)} slower than ${formatSeconds(rule.edgeSeconds)}`;
    case "gauge":
      return `${rule.relative ? formatPercent(rule.limit) : rule.limit} for ${Math.round(rule.holdMs / 1000)} s`;
    case "errors-versus-baseline":
    case "latency-versus-baseline":
      return "the baseline";
  }
}
