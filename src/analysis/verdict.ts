/** `degraded` needs evidence, `healthy` needs traffic and time; no data is neither. */
export type Verdict = "healthy" | "degraded" | "undecided" | "blind";

/** What follows from a judgement: nothing, take the release back, or stop and ask since the release may not be to blame. */
export type Action = "none" | "roll-back" | "hold";

/** One rule at the time of a judgement. */
export interface RuleJudgement {
  readonly rule: string;
  readonly title: string;
  readonly verdict: Verdict;
  /** What the canary and the baseline showed since the bake began: a part of the requests, a share or a level; `null` without data. */
  readonly observed: number | null;
  readonly observedBaseline: number | null;
  /** The limit in the unit of `observed`; `null` for comparisons. */
  readonly limit: number | null;
  /** The rule's part of the evidence: share × e-value. Add these up over the rules to compare with `needed`. */
  readonly eValue: number;
  /** 1/α. */
  readonly needed: number;
  /** The baseline's own e-value against the same limit; `null` where it has none. */
  readonly eValueBaseline: number | null;
  /** The baseline is in trouble too (its e-value is 5 or more), so the release is not blamed. */
  readonly suspectBaseline: boolean;
  /** Requests of the canary since the bake began; `null` for rules that count none. */
  readonly requests: number | null;
  /** For people: "e-value 14 of 100 needed". */
  readonly evidence: string;
  readonly reasons: readonly string[];
}

/** All rules together, at one moment. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly action: Action;
  /** The rule that contributed most to a `degraded` verdict, or that is blind. */
  readonly by: string | null;
  /** Σ share × e-value over the rules, against `needed` = 1/α. */
  readonly eValue: number;
  readonly needed: number;
  readonly reasons: readonly string[];
  readonly rules: readonly RuleJudgement[];
  /** Milliseconds until a decision at the present rate: to `degraded` while evidence grows, else to the minimum of traffic; `null` when none is in sight. */
  readonly timeToDecisionMs: number | null;
  readonly intervals: number;
  readonly intervalMs: number;
  /** Milliseconds since the epoch: the end of the last interval judged. */
  readonly at: number;
}
