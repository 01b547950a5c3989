import type { Words } from "./block.ts";
import { metricKind } from "./metric.ts";
import { mayHoldNumber, withDigits } from "./number-words.ts";
import type { Source } from "./source.ts";
import { comparisonIn, readThreshold } from "./threshold.ts";
import type { Sense, ThresholdRule } from "./threshold.ts";

/** A limit that a sentence states. */
export interface StatedLimit {
  /** The part of the sentence that states it. */
  readonly text: string;
  readonly rule: ThresholdRule;
  readonly problem: "RB302" | undefined;
}

/** What a sentence says of limits: rules, or why it is not clear what they are. */
export type SentenceReading =
  | { readonly rules: readonly StatedLimit[] }
  | { readonly rules?: undefined; readonly unclear: string };

const MAX_SENTENCE = 600;

const WAY_BACK = String.raw`roll(?:s|ed|ing)?[\s-]?back|rollback|revert|undo|back(?:s|ing)?[\s-]?out|abort|take (?:it|everything|the release) back`;
const ACTION = String.raw`${WAY_BACK}|stop|halt|cancel|pause|alert|alarm|page|escalate`;
const CONJUNCTION = String.raw`if|when|whenever|once|as soon as|in case`;
const ORDER = new RegExp(String.raw`\b(?:${ACTION})\b.*?\b(?:${CONJUNCTION})\b`, "i");
const ORDER_BEHIND = new RegExp(String.raw`^\W*(?:${CONJUNCTION})\b.*?\b(?:${ACTION})\b`, "i");
const WAY_BACK_ORDER = new RegExp(
  String.raw`\b(?:${WAY_BACK})\b.*?\b(?:${CONJUNCTION})\b|^\W*(?:${CONJUNCTION})\b.*?\b(?:${WAY_BACK})\b`,
  "i",
);

/** A sentence or a label that says what is to happen when something holds: "Roll back if any of these is true". */
export function isOrder(text: string): boolean {
  return text.length <= MAX_SENTENCE && (ORDER.test(text) || ORDER_BEHIND.test(text));
}

/** The same, and what is to happen is that the release is taken back. */
export function isWayBackOrder(text: string): boolean {
  return text.length <= MAX_SENTENCE && WAY_BACK_ORDER.test(text);
}

/** The sentences of a paragraph, each with its place as far as its first words are found in the source. */
export function sentencesOf(source: Source, prose: Words): Words[] {
  const raw = source.markdown.slice(prose.at, prose.end);
  let from = 0;
  return prose.text.split(/(?<=[.!?])\s+(?=[\p{Lu}`*_])/u).map((text) => {
    const first = text.match(/[\p{L}\p{N}%]+/gu)?.slice(0, 3) ?? [];
    const found = first.length === 0 ? -1 : indexOfWords(raw, first, from);
    if (found === -1) return { text, at: prose.at, end: prose.end };
    from = found + 1;
    return { text, at: prose.at + found, end: Math.min(prose.end, prose.at + found + text.length) };
  });
}

function indexOfWords(raw: string, words: readonly string[], from: number): number {
  const pattern = new RegExp(words.map((word) => RegExp.escape(word)).join(String.raw`[^\p{L}\p{N}]+`), "gu");
  pattern.lastIndex = from;
  return pattern.exec(raw)?.index ?? -1;
}

/** What makes a condition of a limit, or turns it round. */
const UNCLEAR =
  /\b(?:unless|until|while|without|except|only|other than|but|instead|between|twice|double|triple|usual(?:ly)?|normal(?:ly)?|typical(?:ly)?|expected|historically|currently|was|were|had|did)\b|n['’]t\b/i;
const NEGATION = /\b(?:not|never|no|nor|neither)\b/i;
const PLAIN_NEGATION =
  /\b(?:not|never|no)\s+(?:to\s+)?(?:exceed|(?:be\s+|go\s+|rise\s+|fall\s+|drop\s+)?(?:above|over|below|under)|(?:be\s+)?(?:more|higher|greater|larger|longer|less|lower|fewer|smaller)\s+than)\b/i;
const OBLIGATION =
  /\b(?:must|should|shall|has to|have to|needs? to|keep|at most|at least|no more than|not exceed|never|within)\b/i;
/** A description, unless the section says what is wanted. */
const LASTING = /\b(?:stays?|keeps|remains?)\b/i;
const DEPENDS = new RegExp(
  String.raw`\b(?:${CONJUNCTION}|during|after|before|where)\b(?!\s+(?:the\s+last\s+)?\d)`,
  "i",
);

/**
 * Reads what a sentence says of limits; undefined when it states none. An order ("roll back when ...") states what is
 * bad, an obligation ("must stay below ...") what is good. Whatever may mean something else is not guessed.
 */
export function readSentence(text: string, sense: Sense): SentenceReading | undefined {
  if (text.length > MAX_SENTENCE || !mayHoldNumber(text)) return undefined;
  const phrase = withDigits(text);
  if (!/\d/.test(phrase)) return undefined;
  const order = isOrder(text);
  const named = metricKind(text) !== "other" || /\bp\d\d/i.test(text);
  if (!isMeasured(phrase) || (!order && !named)) return undefined;
  if (comparisonIn(phrase) === undefined && !order && !OBLIGATION.test(text)) return undefined;
  if (UNCLEAR.test(text)) return { unclear: "its words leave open what is meant" };
  const bare = text.replace(/[.!]\s*$/, "");
  if (order) return readParts(conditionOf(bare), "alert", "or");
  if (DEPENDS.test(text)) return { unclear: "it holds under a condition only" };
  if (OBLIGATION.test(text) || (sense === "target" && LASTING.test(text))) return readParts(bare, "target", "and");
  return bare.split(/\s+/).length <= 10 && !/\b(?:is|are|has|have|we|our|by|stays?|keeps|remains?)\b/i.test(bare)
    ? readParts(bare, sense, "or")
    : { unclear: "it does not say whether that is wanted" };
}

/** The limits of an alert that has several, each of which is enough: "p50 > 150 ms or p99 > 2 s"; undefined when it is not so. */
export function readAlternatives(text: string): readonly StatedLimit[] | undefined {
  if (!/\bor\b/i.test(text) || text.length > MAX_SENTENCE) return undefined;
  const { rules } = readParts(text, "alert", "or");
  return rules !== undefined && rules.length > 1 ? rules : undefined;
}

/** An order about a known metric that says not how much: "alert when latency doubles". */
export function withoutNumber(text: string): SentenceReading | undefined {
  const isVague = isOrder(text) && metricKind(text) !== "other" && !/\d/.test(withDigits(text));
  return isVague ? { unclear: "it names no number" } : undefined;
}

/** A number with a unit, or beside a comparison. */
function isMeasured(phrase: string): boolean {
  return (
    /\d\s*(?:%|percent|per cent|ms\b|m?s(?:ec)?\b|milliseconds?|seconds?|[kmg]i?b\b|bytes?|\/\s?s|per )/i.test(
      phrase,
    ) || comparisonIn(phrase) !== undefined
  );
}

/** What has to hold for the order: what follows "if", up to what is to be done then. */
function conditionOf(text: string): string {
  const behind = ORDER_BEHIND.exec(text);
  if (behind === null)
    return text.replace(new RegExp(String.raw`^.*?\b(?:${ACTION})\b.*?\b(?:${CONJUNCTION})\b`, "i"), "");
  const condition = text
    .slice(0, behind.index + behind[0].length)
    .replace(new RegExp(String.raw`^\W*(?:${CONJUNCTION})\b`, "i"), "");
  // "..., then we roll back": the last comma before what is done ends the condition.
  const comma = condition.lastIndexOf(",");
  return comma === -1
    ? condition.replace(new RegExp(String.raw`\b(?:then\s+)?(?:${ACTION})$`, "i"), "")
    : condition.slice(0, comma);
}

const OR = /\s*[,;]\s+(?:or\s+)?|\s+or\s+(?!(?:more|higher|above|greater|over|less|lower|below|fewer|under|longer)\b)/i;
const AND = /\s*[,;]\s+(?:and\s+)?|\s+and\s+/i;

function readParts(text: string, sense: Sense, by: "or" | "and"): SentenceReading {
  const other =
    by === "or"
      ? /\band\b(?!\s+(?:more|higher|above|greater|over)\b)/i
      : /\bor\b(?!\s+(?:more|less|higher|lower|above|below|better)\b)/i;
  if (other.test(text)) return { unclear: by === "or" ? "two things have to hold at once" : "it leaves a choice" };
  const rules: StatedLimit[] = [];
  for (const part of text.split(by === "or" ? OR : AND)) {
    if (!/\d/.test(withDigits(part))) continue;
    if (NEGATION.test(part.replace(PLAIN_NEGATION, ""))) return { unclear: "it says what is not to be" };
    const result = readThreshold(part, sense);
    if ("message" in result) return { unclear: reasonOf(result.message) };
    if (sense !== "alert" && result.rule.metric === "other") return { unclear: "it names no metric that is known" };
    rules.push({ text: part.trim(), rule: result.rule, problem: result.problem });
  }
  return rules.length === 0 ? { unclear: "its number belongs to no condition" } : { rules };
}

/** The reason of a line, inside of a sentence. */
function reasonOf(message: string): string {
  return `${message.charAt(0).toLowerCase()}${message.slice(1).replace(/\.$/, "")}`;
}
