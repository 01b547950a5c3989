import { Durations, type Outcome } from "./statistics.ts";

interface Counts {
  requests: number;
  failed: number;
}

/** What happened in one second. */
export class Second {
  sent = 0;
  #answered = 0;
  #failed = 0;
  readonly #durations = new Durations();
  readonly #versions = new Map<string, Counts>();

  add(outcome: Outcome): void {
    const counts = this.#versions.get(outcome.version) ?? { requests: 0, failed: 0 };
    this.#versions.set(outcome.version, counts);
    counts.requests += 1;
    if (outcome.status !== undefined) this.#answered += 1;
    if (outcome.kind !== "slow") this.#durations.add(outcome.ms);
    if (outcome.ok) return;
    counts.failed += 1;
    this.#failed += 1;
  }

  counts(): { sent: number; answered: number; failed: number; p95Ms: number; byVersion: Record<string, Counts> } {
    const p95Ms = this.#durations.quantile(0.95);
    const byVersion = Object.fromEntries(this.#versions);
    return { sent: this.sent, answered: this.#answered, failed: this.#failed, p95Ms, byVersion };
  }
}
