import type { Millis } from "../clock.ts";

/** `info` is told, `warning` is shown to those on call, `critical` wakes somebody up. */
export type Severity = "info" | "warning" | "critical";

/** Somebody to tell: a contact of the runbook or a level of the escalation path. */
export interface Recipient {
  readonly role: string;
  /** E-mail addresses, telephone numbers, channels or URLs; empty when the runbook gives none. */
  readonly addresses: readonly string[];
}

/** One message to people; JSON, holds no secret. */
export interface Notice {
  /** The same for every attempt at telling this: receivers drop what they have seen. */
  readonly id: string;
  readonly at: Millis;
  readonly severity: Severity;
  /** Dotted name: `deployment.rolled-back`, `rule.degraded`, `approval.waiting`. */
  readonly event: string;
  /** One line. */
  readonly title: string;
  /** What happened, in which state, what to do; may be empty. */
  readonly text: string;
  readonly service: string;
  readonly environment: string;
  readonly deployment: string | null;
  readonly to: readonly Recipient[];
}

/** What became of one notice on one channel; recorded, never thrown. */
export interface Delivery {
  readonly channel: string;
  readonly notice: string;
  readonly at: Millis;
  readonly ok: boolean;
  readonly attempts: number;
  /** Why it failed, one sentence without secrets; null when it did not. */
  readonly error: string | null;
}

/** Tells people. Never rejects and never takes longer than its deadline: a deployment does not stop because of it. */
export interface Notifier {
  notify(notice: Notice, signal?: AbortSignal): Promise<readonly Delivery[]>;
}

/** One way to reach people. `send` rejects with `RetryableError` when another attempt may help, with anything else when not. */
export interface Channel {
  /** For people and records: "file /var/log/notices.jsonl", "webhook hooks.example.org". Holds no secret. */
  readonly name: string;
  /** Lowest severity that it is given. */
  readonly from: Severity;
  send(notice: Notice, signal: AbortSignal): Promise<void>;
}
