import { messageOf } from "../../../src/errors.ts";
import { type Answer, type Client, createClient } from "./client.ts";
import { judge, reason, wireOf } from "./judge.ts";
import { Ledger } from "./ledger.ts";
import type { LoadEvent, LoadSettings, LoadSummary, RequestKind } from "./protocol.ts";
import { Second } from "./second.ts";
import { type Outcome, Statistics, rfc3339 } from "./statistics.ts";
import { type Ask, Traffic } from "./traffic.ts";
import { type Sockets, openSockets } from "./websockets.ts";

/** How often due requests are begun, ms. */
const BEAT_MS = 5;

/**
 * Open-loop traffic: requests are begun when they are due and not when an answer makes room, and a duration counts from
 * the moment a request was due. So a service that stalls is seen as slow and not as having had few customers.
 */
export class Generator {
  readonly #settings: LoadSettings;
  readonly #emit: (event: LoadEvent) => void;
  readonly #client: Client;
  readonly #ledger: Ledger;
  readonly #traffic: Traffic;
  readonly #statistics = new Statistics();
  readonly #sockets: Sockets;
  readonly #began = performance.now();
  readonly #finished = Promise.withResolvers<LoadSummary>();
  readonly #timers: NodeJS.Timeout[] = [];
  #rate: number;
  #credit = 0;
  #lastBeat = performance.now();
  #sent = 0;
  #inFlight = 0;
  #notSent = 0;
  #stopping = false;
  #second = new Second();

  constructor(settings: LoadSettings, emit: (event: LoadEvent) => void) {
    this.#settings = settings;
    this.#emit = emit;
    this.#client = createClient(settings);
    this.#ledger = new Ledger(settings.ledgerFile);
    this.#traffic = new Traffic(settings.seed ?? 1);
    this.#rate = settings.ratePerSecond ?? 220;
    this.#sockets = openSockets(settings, settings.websockets ?? 0);
  }

  /** Begins; the promise settles with the last summary when the generator has ended, by itself or by `stop`. */
  run(): Promise<LoadSummary> {
    this.#emit({ event: "started", at: rfc3339(Date.now()), pid: process.pid });
    this.#timers.push(
      setInterval(() => this.#beat(), BEAT_MS),
      setInterval(() => this.#tick(), 1_000),
    );
    const { slowEverySeconds = 0 } = this.#settings;
    if (slowEverySeconds > 0) this.#timers.push(setInterval(() => void this.#slow(), slowEverySeconds * 1000));
    return this.#finished.promise;
  }

  setRate(perSecond: number): void {
    this.#rate = Math.max(0, perSecond);
  }

  /** Begins no more requests, waits for those in flight, and ends. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#sockets.close();
    this.#endWhenIdle();
  }

  summary(): LoadSummary {
    return {
      event: "summary",
      at: rfc3339(Date.now()),
      seconds: Math.round((performance.now() - this.#began) / 100) / 10,
      sent: this.#sent,
      inFlight: this.#inFlight,
      notSent: this.#notSent,
      ...this.#statistics.summary(),
      websockets: this.#sockets.state(),
    };
  }

  #beat(): void {
    const now = performance.now();
    const { maxSeconds = 600, maxRequests = 1_000_000, maxInFlight = 1_000 } = this.#settings;
    this.#credit += ((now - this.#lastBeat) / 1000) * this.#rate;
    const count = Math.floor(this.#credit);
    this.#credit -= count;
    for (let index = 0; index < count; index += 1) {
      // Spread over the beat that has passed: the first of them was due longest ago.
      const due = now - ((count - 1 - index) / count) * (now - this.#lastBeat);
      if (this.#sent >= maxRequests) break;
      if (this.#inFlight >= maxInFlight) this.#notSent += 1;
      else void this.#ask(this.#traffic.next(), due);
    }
    this.#lastBeat = now;
    if (this.#sent >= maxRequests || now - this.#began > maxSeconds * 1000) this.stop();
  }

  async #ask(ask: Ask, due: number): Promise<void> {
    this.#begin();
    const answer = await this.#request(ask);
    const why = judge(ask, answer);
    this.#count(ask.kind, answer, why, due);
    if (why === undefined) this.#acknowledge(ask, answer as Answer);
    else if (ask.kind !== "read") {
      if (answer instanceof Error || answer.status >= 500) this.#unknown(ask);
      if (!this.#stopping) await this.#retry(ask);
    }
    this.#end();
  }

  #begin(): void {
    this.#sent += 1;
    this.#inFlight += 1;
    this.#second.sent += 1;
  }

  #end(): void {
    this.#inFlight -= 1;
    if (this.#stopping) this.#endWhenIdle();
  }

  #request(ask: Ask): Promise<Answer | Error> {
    const { method, path, ...options } = wireOf(ask);
    return this.#client.send(method, path, options).catch(asError);
  }

  /** Sends a failed POST again with its key. Counted apart: what failed stays failed. */
  async #retry(ask: Exclude<Ask, { kind: "read" }>): Promise<void> {
    const { retries = 0, retryDelayMs = 200 } = this.#settings;
    for (let turn = 0; turn < retries && !this.#stopping; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, retryDelayMs));
      this.#statistics.retried += 1;
      const answer = await this.#request(ask);
      if (judge(ask, answer) !== undefined) continue;
      this.#statistics.retriedOk += 1;
      return this.#acknowledge(ask, answer as Answer);
    }
  }

  async #slow(): Promise<void> {
    const { slowSeconds = 30, timeoutMs = 10_000 } = this.#settings;
    const due = performance.now();
    this.#begin();
    const options = { timeoutMs: slowSeconds * 1000 + timeoutMs };
    const answer = await this.#client.send("GET", `/reports/slow?seconds=${slowSeconds}`, options).catch(asError);
    this.#count("slow", answer, answer instanceof Error || answer.status !== 200 ? reason(answer) : undefined, due);
    this.#end();
  }

  #acknowledge(ask: Ask, answer: Answer): void {
    const at = rfc3339(Date.now());
    const { version } = answer;
    const id = String(answer.body?.["id"]);
    if (ask.kind === "create") {
      const entry = {
        kind: "payment",
        key: ask.key,
        id,
        amount: ask.amount,
        currency: ask.currency,
        at,
        version,
      } as const;
      this.#ledger.add(entry);
      this.#traffic.acknowledged(entry);
      this.#statistics.payments += 1;
    } else if (ask.kind === "refund") {
      this.#ledger.add({ kind: "refund", key: ask.key, id, payment: ask.payment.id, amount: ask.amount, at, version });
      this.#statistics.refunds += 1;
    }
  }

  #unknown(ask: Exclude<Ask, { kind: "read" }>): void {
    const at = rfc3339(Date.now());
    if (ask.kind === "create") this.#ledger.add({ kind: "unknown", key: ask.key, of: "payment", at });
    else this.#ledger.add({ kind: "unknown", key: ask.key, of: "refund", payment: ask.payment.id, at });
  }

  #count(kind: RequestKind, answer: Answer | Error, why: string | undefined, due: number): void {
    const answered = answer instanceof Error ? undefined : answer;
    const outcome: Outcome = {
      kind,
      ok: why === undefined,
      status: answered?.status,
      why: why ?? "",
      version: answered?.version ?? "none",
      host: answered?.host ?? "none",
      ms: performance.now() - due,
      at: Date.now(),
    };
    this.#second.add(outcome);
    if (!this.#statistics.add(outcome)) return;
    const { version } = outcome;
    this.#emit({ event: "first-failure", at: rfc3339(outcome.at), version, why: outcome.why });
  }

  #tick(): void {
    this.#emit({ event: "tick", at: rfc3339(Date.now()), inFlight: this.#inFlight, ...this.#second.counts() });
    this.#second = new Second();
  }

  #endWhenIdle(): void {
    if (this.#inFlight > 0) return;
    this.#client.close();
    this.#ledger.close();
    this.#finished.resolve(this.summary());
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
