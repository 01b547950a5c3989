const ONES =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen " +
  "eighteen nineteen";
const TENS = "twenty thirty forty fifty sixty seventy eighty ninety";

const VALUES: ReadonlyMap<string, number> = new Map([
  ...ONES.split(" ").map((word, index) => [word, index] as const),
  ...TENS.split(" ").map((word, index) => [word, (index + 2) * 10] as const),
]);

const ONE_WORD = [...VALUES.keys()].toReversed().join("|");
const UP_TO_99 = String.raw`(?:(?:${TENS.split(" ").join("|")})[\s-](?:one|two|three|four|five|six|seven|eight|nine)\b|(?:${ONE_WORD})\b)`;
/** What is counted or measured; "one of the hosts" holds no number that a limit could be. */
const MEASURED = String.raw`(?=[\s-]*(?:%|(?:per\s?cent|pct|ms|m?secs?|(?:milli)?seconds?|mins?|minutes?|hours?|days?|weeks?|[kmg]i?b|(?:kilo|mega|giga)?bytes?|requests?|errors?|messages?|jobs?|events?|items?|entries|tasks?|(?:\w+\s)?connections?|restarts?|retries|attempts?|times|threads|nodes|pods|hosts)\b))`;
const LARGE = String.raw`(?:${UP_TO_99}|an?)[\s-](?:hundred|thousand)\b(?:(?:\s+and)?\s+${UP_TO_99})?`;
const PHRASE = new RegExp(String.raw`\b(?:${LARGE}|${UP_TO_99}${MEASURED})`, "gi");
/** "Half an hour", "a quarter of a second", "half a percent". */
const PART = /\b(?:(?:a|one)\s+)?(half|quarter)\s+(?:of\s+)?(?:an?|one)\s+(?=[a-z])/gi;
const DOZEN = /\b(?:a|one)\s+dozen\b/gi;

const ANY = new RegExp(String.raw`\d|\b(?:${ONE_WORD}|hundred|thousand|half|quarter|dozen)\b`, "i");

/** Whether a text may hold a number, in digits or in words. */
export function mayHoldNumber(text: string): boolean {
  return ANY.test(text);
}

const IN_WORDS = new RegExp(ANY.source.replace(String.raw`\d|`, ""), "i");

/** The text with the numbers of what it measures as digits: "above seventy-five percent for half an hour". */
export function withDigits(text: string): string {
  if (!IN_WORDS.test(text)) return text;
  return text
    .replaceAll(PART, (_, part: string) => (part.toLowerCase() === "half" ? "0.5 " : "0.25 "))
    .replaceAll(DOZEN, "12")
    .replaceAll(PHRASE, (phrase) => String(valueOf(phrase)));
}

function valueOf(phrase: string): number {
  let value = 0;
  for (const word of phrase.toLowerCase().split(/[\s-]+/)) {
    if (word === "hundred") value *= 100;
    else if (word === "thousand") value *= 1000;
    else if (word === "a" || word === "an") value = 1;
    else value += VALUES.get(word) ?? 0;
  }
  return value;
}
