import type { MetricKind } from "./model.ts";

/** The first that fits decides; the order matters where a phrase names two things. */
const KINDS: readonly (readonly [MetricKind, RegExp])[] = [
  // How long something waits in a queue is not how much does.
  [
    "other",
    /\b(?:time|age|lag|latency|delay|wait(?:ing)?)\b.*\bqueues?\b|\bqueues?\b.*\b(?:time|age|lag|latency|delay|wait(?:ing)?)\b/,
  ],
  [
    "db-connections",
    /\b(?:db|database|mongo(?:db)?|postgres|sql|pool(?:ed)?)\b.*\bconnections?\b|\bconnections?\b.*\b(?:db|database|pool)\b|\bconnection pool\b/,
  ],
  [
    "queue-length",
    /\bqueue(?:s|d)?\b.*\b(?:lengths?|depths?|sizes?|backlog|messages)\b|\b(?:queue|backlog|queued (?:jobs|messages))\b|\b(?:lengths?|depths?|sizes?) of .*\bqueues?\b/,
  ],
  ["other", /\b(?:replication|replica)\b|\b4xx\b|\b(?:dns|gc|garbage)\b/],
  ["cpu-memory", /\bcpu\b.*\b(?:memory|ram)\b|\b(?:memory|ram)\b.*\bcpu\b/],
  ["cpu", /\bcpu\b|\bprocessor\b/],
  ["memory", /\bmemory\b|\bram\b|\bheap\b|\brss\b/],
  [
    "response-time",
    /\bresponse times?\b|\blatenc(?:y|ies)\b|\bresponse durations?\b|\brequest (?:times?|durations?)\b|\bresponse speed\b/,
  ],
  [
    "error-rate",
    /\berrors?\b|\b5xx\b|\bhttp 5\d\d\b|\bfail(?:ed|ure|ures|ing)?\b.*\b(?:rate|requests?|ratio|share)\b|\brequests?\b.*\bfail(?:s|ed|ing|ures?)?\b|\b(?:success|availability|uptime)\b/,
  ],
];

/** Which metric a phrase names. */
export function metricKind(text: string): MetricKind {
  const phrase = text.slice(0, 300).toLowerCase();
  return KINDS.find(([, pattern]) => pattern.test(phrase))?.[0] ?? "other";
}

/** A phrase that speaks of what is good, such as availability: a limit of it is one of its opposite. */
export function isInverted(text: string): boolean {
  return (
    /\b(?:success|availability|uptime|successful)\b/i.test(text) && !/\bun(?:availability|successful)\b/i.test(text)
  );
}
