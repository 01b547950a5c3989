import type { Millis } from "../clock.ts";
import type { Recipient } from "./notice.ts";

/** Who is asked in turn, and how long each has to answer. */
export interface EscalationPolicy {
  readonly levels: readonly Recipient[];
  /** Milliseconds until the next level is asked; at least 1. */
  readonly answerWithinMs: number;
  /** How many times the whole path is walked before giving up; at least 1. */
  readonly rounds: number;
}

/** Where an escalation stands; plain data, so that it survives in a journal. */
export type EscalationState =
  | { readonly kind: "asking"; readonly level: number; readonly round: number; readonly askedAt: Millis }
  | { readonly kind: "acknowledged"; readonly by: string; readonly at: Millis }
  | { readonly kind: "exhausted"; readonly at: Millis };

/** What happened: time went on, or somebody took it. */
export type EscalationEvent =
  | { readonly kind: "tick"; readonly now: Millis }
  | { readonly kind: "acknowledged"; readonly by: string; readonly now: Millis };

/** The new state, and who is to be asked because of it; null for nobody. */
export interface EscalationStep {
  readonly state: EscalationState;
  readonly ask: Recipient | null;
}

/** Asks the first level; exhausted at once when there is none. */
export function startEscalation(policy: EscalationPolicy, now: Millis): EscalationStep {
  return askLevel(policy, 0, 1, now);
}

/**
 * What follows from an event. Time moves at most one level a tick, so that after a pause of any length everybody is
 * still asked and has their full time. An acknowledgement ends it, also after the path was exhausted; the first counts.
 */
export function advance(policy: EscalationPolicy, state: EscalationState, event: EscalationEvent): EscalationStep {
  if (state.kind === "acknowledged") return { state, ask: null };
  if (event.kind === "acknowledged") {
    return { state: { kind: "acknowledged", by: event.by, at: event.now }, ask: null };
  }
  const due = nextDeadline(policy, state);
  if (state.kind === "exhausted" || due === null || event.now < due) return { state, ask: null };
  const last = state.level + 1 >= policy.levels.length;
  if (!last) return askLevel(policy, state.level + 1, state.round, event.now);
  return askLevel(policy, 0, state.round + 1, event.now);
}

/** When the next tick changes something; null when none does. */
export function nextDeadline(policy: EscalationPolicy, state: EscalationState): Millis | null {
  return state.kind === "asking" ? state.askedAt + policy.answerWithinMs : null;
}

function askLevel(policy: EscalationPolicy, level: number, round: number, now: Millis): EscalationStep {
  const ask = policy.levels[level];
  if (ask === undefined || round > policy.rounds) return { state: { kind: "exhausted", at: now }, ask: null };
  return { state: { kind: "asking", level, round, askedAt: now }, ask };
}
