/**
 * Open-loop customers: a request is begun when it is due, whatever became of those before it, and its time counts from
 * the moment when it was due. So neither a service that stalls nor a generator that is late is made to look fast.
 */
import { judge, reason, wireOf } from "../../../examples/payments/load/judge.ts";
import { Ledger } from "../../../examples/payments/load/ledger.ts";
import { type Ask, Traffic } from "../../../examples/payments/load/traffic.ts";
import { openSockets, type Sockets } from "../../../examples/payments/load/websockets.ts";
import { leanClient, type LeanClient } from "./lean-client.ts";

export interface CustomerSettings {
  readonly port: number;
  readonly ledgerFile: string;
  readonly connections: number;
  /** One request that takes `slowSeconds` is begun every so many seconds. */
  readonly slowEverySeconds: number;
  readonly slowSeconds: number;
  readonly websockets: number;
  readonly seed: number;
}

/** Requests a second that fall due, or how many are always under way; neither: none. */
export interface LoadLevel {
  readonly rate?: number;
  readonly inFlight?: number;
}

/** What became of the requests that were due in one stretch of time. */
export interface StretchResult {
  readonly name: string;
  readonly sent: number;
  readonly posts: number;
  readonly slow: number;
  readonly failed: number;
  /** Why, with how often. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly seconds: number;
}

export interface CustomersResult {
  readonly stretches: readonly StretchResult[];
  /** Milliseconds by name of stretch, slow requests left out. */
  readonly latency: Readonly<Record<string, { readonly p50: number; readonly p99: number }>>;
  readonly websockets: { readonly echoes: number; readonly closed: number };
}

const BEAT_MS = 1;
const TIMEOUT_MS = 10_000;

class Stretch {
  readonly began = performance.now();
  ended = 0;
  sent = 0;
  posts = 0;
  slow = 0;
  failed = 0;
  readonly reasons: Record<string, number> = {};
  readonly versions: Record<string, number> = {};
  readonly name: string;
  #times = new Float32Array(65_536);
  #count = 0;

  constructor(name: string) {
    this.name = name;
  }

  add(ms: number): void {
    if (this.#count === this.#times.length) {
      const larger = new Float32Array(this.#count * 2);
      larger.set(this.#times);
      this.#times = larger;
    }
    this.#times[this.#count++] = ms;
  }

  times(): Float32Array {
    return this.#times.subarray(0, this.#count);
  }

  result(): StretchResult {
    const { name, sent, posts, slow, failed, reasons, versions } = this;
    return { name, sent, posts, slow, failed, reasons, versions, seconds: (this.ended - this.began) / 1000 };
  }
}

export class Customers {
  readonly #settings: CustomerSettings;
  readonly #client: LeanClient;
  readonly #slowClient: LeanClient;
  readonly #ledger: Ledger;
  readonly #traffic: Traffic;
  readonly #sockets: Sockets;
  readonly #stretches: Stretch[] = [];
  #stretch = new Stretch("start");
  #rate = 0;
  #closedLoop = 0;
  #dueAt = performance.now();
  #slowAt = performance.now();
  #open = 0;
  #idle = (): void => {};
  #awaited = { count: Infinity, resolve: (): void => {} };
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: CustomerSettings) {
    this.#settings = settings;
    this.#client = leanClient(settings.port, settings.connections);
    // Apart: slow ones must not take the connections that the others wait for.
    this.#slowClient = leanClient(settings.port, 1_000);
    this.#ledger = new Ledger(settings.ledgerFile);
    this.#traffic = new Traffic(settings.seed);
    const { port, ledgerFile } = settings;
    this.#sockets = openSockets({ url: `http://127.0.0.1:${port}`, ledgerFile }, settings.websockets);
    this.#beat();
  }

  /** Begins a new stretch of time. */
  begin(name: string, load: LoadLevel): void {
    this.#endStretch();
    this.#stretch = new Stretch(name);
    this.#rate = load.rate ?? 0;
    this.#dueAt = performance.now();
    this.#slowAt = performance.now();
    const { inFlight = 0 } = load;
    const more = inFlight - this.#closedLoop;
    this.#closedLoop = inFlight;
    for (let at = 0; at < more; at++) void this.#loop(at + this.#closedLoop - more);
  }

  /** Answered so far in the stretch under way. */
  get answered(): number {
    return this.#stretch.times().length;
  }

  /** Waits until so many are answered in the stretch under way. */
  async answers(count: number): Promise<void> {
    if (this.answered >= count) return;
    await new Promise<void>((resolve) => (this.#awaited = { count, resolve }));
  }

  /** Begins nothing more, waits for what is under way, and says what became of everything. */
  async stop(): Promise<CustomersResult> {
    this.begin("rest", {});
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    clearTimeout(this.#timer);
    this.#endStretch();
    const { echoes, closed } = this.#sockets.state();
    this.#sockets.close();
    this.#client.close();
    this.#slowClient.close();
    this.#ledger.close();
    const names = [...new Set(this.#stretches.map((one) => one.name))];
    const latency = Object.fromEntries(
      names.map((name) => [name, { p50: this.#quantile(0.5, name), p99: this.#quantile(0.99, name) }]),
    );
    return { stretches: this.#stretches.map((one) => one.result()), latency, websockets: { echoes, closed } };
  }

  /** The quantile `q` of the times of all stretches with that name together, ms; exact. 0 without any. */
  #quantile(q: number, name: string): number {
    const parts = this.#stretches.filter((one) => one.name === name).map((one) => one.times());
    const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    all.sort();
    return all[Math.min(all.length - 1, Math.ceil(all.length * q) - 1)] ?? 0;
  }

  #endStretch(): void {
    this.#stretch.ended = performance.now();
    this.#stretches.push(this.#stretch);
  }

  #beat(): void {
    const now = performance.now();
    if (this.#rate > 0) {
      const gapMs = 1000 / this.#rate;
      for (; this.#dueAt <= now; this.#dueAt += gapMs) void this.#ask(this.#traffic.next(), this.#dueAt);
      const slowGapMs = this.#settings.slowEverySeconds * 1000;
      for (; this.#slowAt <= now; this.#slowAt += slowGapMs) void this.#slow();
    }
    this.#timer = setTimeout(() => this.#beat(), BEAT_MS);
  }

  async #loop(at: number): Promise<void> {
    while (at < this.#closedLoop) await this.#ask(this.#traffic.next(), performance.now());
  }

  async #ask(ask: Ask, due: number): Promise<void> {
    const stretch = this.#begin(ask.kind !== "read");
    const answer = await this.#client.send({ ...wireOf(ask), timeoutMs: TIMEOUT_MS });
    stretch.add(performance.now() - due);
    const why = judge(ask, answer);
    if (why === undefined && !(answer instanceof Error))
      this.#acknowledge(ask, String(answer.body?.["id"]), answer.version);
    else if (ask.kind !== "read" && (answer instanceof Error || answer.status >= 500)) this.#unknown(ask);
    this.#end(stretch, why, answer instanceof Error ? "none" : answer.version);
  }

  /** Counted, and not part of the quantiles: what is meant to take long says nothing about how fast the service is. */
  async #slow(): Promise<void> {
    const stretch = this.#begin(false);
    stretch.slow++;
    const { slowSeconds } = this.#settings;
    const path = `/reports/slow?seconds=${slowSeconds}`;
    const answer = await this.#slowClient.send({ method: "GET", path, timeoutMs: slowSeconds * 1000 + TIMEOUT_MS });
    const ok = !(answer instanceof Error) && answer.status === 200 && answer.body?.["report"] === "done";
    this.#end(stretch, ok ? undefined : `slow ${reason(answer)}`, answer instanceof Error ? "none" : answer.version);
  }

  #begin(post: boolean): Stretch {
    const stretch = this.#stretch;
    this.#open++;
    stretch.sent++;
    if (post) stretch.posts++;
    return stretch;
  }

  #end(stretch: Stretch, why: string | undefined, version: string): void {
    stretch.versions[version] = (stretch.versions[version] ?? 0) + 1;
    if (why !== undefined) {
      stretch.failed++;
      stretch.reasons[why] = (stretch.reasons[why] ?? 0) + 1;
    }
    if (--this.#open === 0) this.#idle();
    if (this.answered >= this.#awaited.count) this.#awaited.resolve();
  }

  #acknowledge(ask: Ask, id: string, version: string): void {
    const at = new Date().toISOString();
    if (ask.kind === "create") {
      const { key, amount, currency } = ask;
      const entry = { kind: "payment", key, id, amount, currency, at, version } as const;
      this.#ledger.add(entry);
      this.#traffic.acknowledged(entry);
    } else if (ask.kind === "refund") {
      this.#ledger.add({ kind: "refund", key: ask.key, id, payment: ask.payment.id, amount: ask.amount, at, version });
    }
  }

  #unknown(ask: Exclude<Ask, { kind: "read" }>): void {
    const at = new Date().toISOString();
    if (ask.kind === "create") this.#ledger.add({ kind: "unknown", key: ask.key, of: "payment", at });
    else this.#ledger.add({ kind: "unknown", key: ask.key, of: "refund", payment: ask.payment.id, at });
  }
}
