import { isInverted, metricKind } from "./metric.ts";
import type { MetricKind, Threshold, ThresholdUnit } from "./model.ts";
import { withDigits } from "./number-words.ts";

/** Whether a list says what is bad, what is good, or leaves it to each line. */
export type Sense = "alert" | "target" | "either";

export type ThresholdRule = Omit<Threshold, "line" | "column" | "text">;

/** What a line among the thresholds says; `problem` is the code of the diagnostic it deserves. */
export type ThresholdReading =
  | { readonly rule: ThresholdRule; readonly problem?: "RB302" }
  | { readonly problem: "RB301" | "RB303" | "RB305" | "RB306"; readonly message: string };

const NUMBER = String.raw`(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?)`;
const UNIT = String.raw`(ms|msecs?|milliseconds?|seconds?|secs?|s|minutes?|mins?|%|percent|per cent|pct|[kmg]i?b|bytes?|(?:requests?|req|errors?|messages?|msgs?|jobs?|events?)?\s*(?:\/|per )\s*(?:s|sec|second|min|minute)\b|rps|connections?|conns?|messages?|msgs?|items?|jobs?|requests?|entries|tasks?|times|restarts?|threads?|nodes?|pods?)?`;
const QUANTITY = new RegExp(String.raw`${NUMBER}\s*${UNIT}(?![\w%])`, "i");

const MEASURED = new RegExp(QUANTITY.source, "gi");

/** "HTTP 503" names a kind of error, not a quantity. */
const STATUS_CODE = /\b(?:http|status)(?: codes?)? 5\d\d\b/g;

const MAX_LINE = 300;

/** Comparisons in symbols and words; longer ones first. */
const COMPARISONS: readonly (readonly [RegExp, Threshold["comparison"]])[] = [
  [/(?:≥|>=|=>|⩾)/, ">="],
  [/(?:≤|<=|=<|⩽)/, "<="],
  [/>/, ">"],
  [/</, "<"],
  [
    /\b(?:not|never|no)\s+(?:to\s+)?(?:be\s+)?(?:more|higher|greater|larger|longer)\s+than\b|\bat most\b|\bup to\b|\bmax(?:imum)?(?: of)?\b|\b(?:not|never)\s+(?:exceed|(?:be |go |rise |get )?(?:above|over))\b|\bwithin\b/,
    "<=",
  ],
  [
    /\b(?:not|never|no)\s+(?:be\s+)?(?:less|lower|fewer|smaller)\s+than\b|\bat least\b|\bmin(?:imum)?(?: of)?\b|\b(?:not|never)\s+(?:be |go |fall |drop |get )?(?:below|under)\b/,
    ">=",
  ],
  [/\b(?:or|and)\s+(?:more|higher|above|greater|over)\b|\b(?:reach(?:es)?|hits?)\b/, ">="],
  [/\b(?:or|and)\s+(?:less|lower|below|fewer|under)\b/, "<="],
  [
    /\b(?:above|over|exceed(?:s|ing|ed)?|greater than|more than|higher than|larger than|longer than|beyond|past|surpass(?:es)?|rises? to|climbs? to)\b/,
    ">",
  ],
  [/\b(?:below|under|less than|lower than|fewer than|shorter than|beneath|drops? to|falls? to)\b/, "<"],
];

/** Words that turn a line into a statement of what is wanted, whatever list it is in. */
const WANTED =
  /\b(?:must|should|shall|target|objective|at most|no more than|not exceed|never (?:exceed|above|over)|within|slo)\b/i;
/** The same, unless the line says of what is worse the more there is of it that there is more: "stays above 1 %". */
const LASTING = /\b(?:stays?|keeps?|remains?)\b/i;

/** Kinds of which more is worse. */
const MORE_IS_WORSE: ReadonlySet<MetricKind> = new Set<MetricKind>([
  "response-time",
  "error-rate",
  "cpu",
  "memory",
  "cpu-memory",
  "db-connections",
  "queue-length",
]);

/** Reads one line, such as "p99 latency above 300 ms for 5 minutes". */
export function readThreshold(text: string, sense: Sense): ThresholdReading {
  if (text.length > MAX_LINE) return { problem: "RB305", message: "The line is too long to be a threshold." };
  const phrase = phraseOf(text);
  const { rest: withoutHold, holdMs } = takeHold(phrase);
  const { rest, percentile, aggregate, impossible } = takeAggregate(withoutHold);
  const quantity = QUANTITY.exec(rest);
  if (quantity === null) return { problem: "RB305", message: "There is no number in this line." };
  if ([...rest.matchAll(MEASURED)].filter((match) => (match[2] ?? "") !== "").length > 1) {
    return { problem: "RB305", message: "The line states more than one limit." };
  }
  const about = rest.slice(0, quantity.index) + rest.slice(quantity.index + quantity[0].length);
  const named = metricKind(about);
  // "p99 > 750 ms": what has percentiles and takes time, and has no other name, is a response.
  const isNameless = named === "other" && percentile !== undefined && !/[a-z]/.test(withoutComparison(about));
  const kind = isNameless ? "response-time" : named;
  const stated = findComparison(rest);
  if (stated === undefined && !(MORE_IS_WORSE.has(kind) && /[:–=-]\s*$/.test(rest.slice(0, quantity.index)))) {
    return { problem: "RB305", message: "There is no comparison in this line." };
  }
  const measure = toMeasure(quantity, kind, rest);
  if (measure === undefined) return { problem: "RB301", message: "The limit has no unit that fits its metric." };
  const breach = toBreach({ stated, wanted: isWanted(phrase, kind, stated), sense, kind, inverted: isInverted(rest) });
  if (breach === undefined) return { problem: "RB303", message: contradiction(sense) };
  const value = isInverted(rest) && measure.unit === "%" ? round(100 - measure.value) : measure.value;
  if (impossible || (measure.unit === "%" && (value > 100 || (value === 100 && breach === ">")))) {
    return { problem: "RB306", message: "The limit can never be reached." };
  }
  const rule: ThresholdRule = {
    metric: kind,
    comparison: breach,
    value,
    unit: measure.unit,
    ...(percentile === undefined ? {} : { percentile }),
    ...(aggregate === undefined ? {} : { aggregate }),
    ...(holdMs === undefined ? {} : { holdMs }),
  };
  const vague = kind === "response-time" && percentile === undefined && aggregate === undefined;
  return vague ? { rule, problem: "RB302" } : { rule };
}

function isWanted(phrase: string, kind: MetricKind, stated: Threshold["comparison"] | undefined): boolean {
  if (WANTED.test(phrase)) return true;
  const isMore = stated?.startsWith(isInverted(phrase) ? "<" : ">") === true;
  return LASTING.test(phrase) && !(isMore && MORE_IS_WORSE.has(kind));
}

function contradiction(sense: Sense): string {
  return sense === "target"
    ? "The list says what is wanted, but the comparison says what is bad."
    : "The list says what is bad, but the comparison says what is good.";
}

const HOLD =
  /\b(?:for|over|during|in|within|across)\s+(?:more than\s+|at least\s+|longer than\s+|the last\s+|any\s+|a\s+|an\s+)?(\d+(?:\.\d+)?)?[\s-]*(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?)\b(?:\s+(?:window|period))?/;

function takeHold(phrase: string): { rest: string; holdMs?: number } {
  const match = HOLD.exec(phrase);
  if (match === null) return { rest: phrase };
  const before = phrase.slice(0, match.index);
  // "response time over 2 seconds" is the limit itself; a duration follows a limit.
  if (!/\d/.test(before.replaceAll(/\bp\d+|\d+(?:st|nd|rd|th)|\b[45]xx/g, ""))) return { rest: phrase };
  const holdMs = durationOf(match);
  return { rest: before + phrase.slice(match.index + match[0].length), ...(holdMs > 0 ? { holdMs } : {}) };
}

function durationOf(match: RegExpExecArray): number {
  const unit = (match[2] ?? "s").charAt(0);
  return round(Number(match[1] ?? "1") * (unit === "h" ? 3_600_000 : unit === "m" ? 60_000 : 1000));
}

/** For how long a line that stands over limits wants each of them broken: "Roll back when for 5 minutes:". */
export function holdOver(label: string): number | undefined {
  const phrase = phraseOf(label.slice(0, MAX_LINE));
  const match = HOLD.exec(phrase);
  if (match === null || /\d/.test(phrase.replace(match[0], ""))) return undefined;
  return durationOf(match) || undefined;
}

/** True when a line has a limit and does not say of what: "p95 > 300 ms", "> 80 % for 5 minutes". */
export function namesNothing(text: string): boolean {
  if (text.length > MAX_LINE) return false;
  const { rest } = takeAggregate(takeHold(phraseOf(text)).rest);
  const quantity = QUANTITY.exec(rest);
  if (quantity === null) return false;
  const about = rest.slice(0, quantity.index) + rest.slice(quantity.index + quantity[0].length);
  return !/\p{L}/u.test(withoutComparison(about));
}

function phraseOf(text: string): string {
  return withDigits(text.toLowerCase().replaceAll(/\s+/g, " "))
    .replaceAll(STATUS_CODE, "5xx")
    .replaceAll(/(\d+(?:\.\d+)?)\s?k\b(?!\/)/g, (_, number: string) => String(Number(number) * 1000));
}

interface Aggregate {
  readonly rest: string;
  readonly percentile?: number;
  readonly aggregate?: "mean" | "max";
  readonly impossible: boolean;
}

function takeAggregate(phrase: string): Aggregate {
  const match =
    /\bp(\d{1,3}(?:\.\d+)?)\b/.exec(phrase) ??
    /\b(\d{1,3}(?:\.\d+)?)(?:st|nd|rd|th)?[\s-]+(?:percentile|pct\b|quantile|%ile)/.exec(phrase) ??
    /\b(\d{1,3}(?:\.\d+)?)(?:st|nd|rd|th)\b/.exec(phrase);
  if (match !== null) {
    const digits = match[1] ?? "0";
    // p999 is the way to write 99.9.
    const percentile = /^9{3,}$/.test(digits) ? Number(`${digits.slice(0, 2)}.${digits.slice(2)}`) : Number(digits);
    const rest = phrase.slice(0, match.index) + phrase.slice(match.index + match[0].length);
    return { rest, percentile, impossible: percentile <= 0 || percentile >= 100 };
  }
  if (/\bmedian\b/.test(phrase)) return { rest: phrase.replace(/\bmedian\b/, ""), percentile: 50, impossible: false };
  if (/\b(?:average|avg|mean)\b/.test(phrase)) {
    return { rest: phrase.replace(/\b(?:average|avg|mean)\b/, ""), aggregate: "mean", impossible: false };
  }
  const max = /^\W*max(?:imum)?\s+(?=response|latency|request)/;
  if (max.test(phrase)) return { rest: phrase.replace(max, ""), aggregate: "max", impossible: false };
  return { rest: phrase, impossible: false };
}

/** The words of a line that name what is measured. */
function withoutComparison(phrase: string): string {
  return COMPARISONS.reduce((rest, [pattern]) => rest.replace(pattern, " "), phrase).replaceAll(
    /\b(?:is|are|at|of|the|must|should|be|stays?|goes|rises?|any|than)\b/g,
    " ",
  );
}

/** The comparison that a phrase states, as it stands there. */
export function comparisonIn(phrase: string): Threshold["comparison"] | undefined {
  return findComparison(phrase.toLowerCase());
}

function findComparison(phrase: string): Threshold["comparison"] | undefined {
  return COMPARISONS.find(([pattern]) => pattern.test(phrase))?.[1];
}

interface Measure {
  readonly value: number;
  readonly unit: ThresholdUnit;
}

const COUNTED: ReadonlySet<MetricKind> = new Set<MetricKind>(["db-connections", "queue-length"]);

function toMeasure(match: RegExpExecArray, kind: MetricKind, phrase: string): Measure | undefined {
  const digits = (match[1] ?? "").replaceAll(/,(?=\d{3}(?!\d))/g, "").replace(",", ".");
  const unit = (match[2] ?? "").trim();
  const measure = convert(Number(digits), unit);
  if (measure !== undefined) return fits(measure.unit, kind) ? measure : undefined;
  if (COUNTED.has(kind)) return { value: Number(digits), unit: "count" };
  const needsUnit =
    /\b(?:time|latency|lag|delay|duration|age|rate|ratio|usage|utili[sz]ation|share|load percentage|disk)\b/;
  return kind === "other" && !needsUnit.test(phrase) ? { value: Number(digits), unit: "count" } : undefined;
}

function convert(value: number, unit: string): Measure | undefined {
  if (unit === "") return undefined;
  if (/^(?:%|percent|per cent|pct)$/.test(unit)) return { value, unit: "%" };
  if (/^m(?:s|secs?|illiseconds?)$/.test(unit)) return { value, unit: "ms" };
  if (/^s(?:ecs?|econds?)?$/.test(unit)) return { value: round(value * 1000), unit: "ms" };
  if (unit.startsWith("min")) return { value: round(value * 60_000), unit: "ms" };
  const bytes = /^([kmg]?)(i?)b(?:ytes?)?$/.exec(unit);
  if (bytes !== null) {
    const base = bytes[2] === "i" ? 1024 : 1000;
    return {
      value: Math.round(value * base ** " kmg".indexOf(bytes[1] === "" ? " " : (bytes[1] ?? " "))),
      unit: "bytes",
    };
  }
  if (/\/|per |rps/.test(unit)) return { value: /min/.test(unit) ? value / 60 : value, unit: "per-second" };
  return { value, unit: "count" };
}

function fits(unit: ThresholdUnit, kind: MetricKind): boolean {
  switch (kind) {
    case "response-time":
      return unit === "ms";
    case "error-rate":
      return unit === "%" || unit === "per-second";
    case "cpu":
    case "cpu-memory":
      return unit === "%";
    case "memory":
      return unit === "%" || unit === "bytes";
    case "db-connections":
    case "queue-length":
      return unit === "count" || unit === "%";
    case "other":
      return true;
  }
}

interface Direction {
  readonly stated: Threshold["comparison"] | undefined;
  readonly wanted: boolean;
  readonly sense: Sense;
  readonly kind: MetricKind;
  readonly inverted: boolean;
}

const OPPOSITE = { ">": "<=", ">=": "<", "<": ">=", "<=": ">" } as const;
const MIRRORED = { ">": "<", ">=": "<=", "<": ">", "<=": ">=" } as const;

/** The comparison that is a breach; undefined when line and list contradict each other. */
function toBreach(direction: Direction): Threshold["comparison"] | undefined {
  const { stated, wanted, sense, kind, inverted } = direction;
  if (stated === undefined) return ">";
  const seen = inverted ? MIRRORED[stated] : stated;
  const isUpper = seen.startsWith(">");
  if (!MORE_IS_WORSE.has(kind)) return wanted || sense === "target" ? OPPOSITE[seen] : seen;
  // More is worse: "> x" can only be bad and "< x" can only be good.
  const good = !isUpper;
  if (!wanted && sense !== "either" && good !== (sense === "target")) return undefined;
  if (wanted && isUpper) return undefined;
  return good ? OPPOSITE[seen] : seen;
}

function round(value: number): number {
  return Number(value.toPrecision(12));
}
