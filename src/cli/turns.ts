import type { JournalRow } from "../engine/rows.ts";
import type { HostState } from "./view/model.ts";

/** Where a host is in its turn, from the last durable part of it. */
export interface Turn {
  readonly state: HostState;
  readonly at: number;
  /** The turn is over and the host is back in traffic: from here on the load balancer is believed. */
  readonly over: boolean;
}

/** A bake that runs: several sleeps and looks, which people see as one. */
export interface Baking {
  /** "canary", "final". */
  readonly what: string;
  readonly round: number;
  readonly since: number;
}

/** What a part of a turn means while it runs, and once it is done. */
const PARTS: Readonly<Record<string, readonly [HostState, HostState]>> = {
  drain: ["draining", "drained"],
  activate: ["activating", "activating"],
  restart: ["activating", "activating"],
  health: ["confirming", "confirming"],
  confirm: ["confirming", "healthy"],
};

const BAKE = /\/bake-([^/]+)\/round-(\d+)\/(verdict)?/;

/** The turns of hosts and the bake at hand, as the journal tells them; each state stays until the next part begins. */
export class Turns {
  readonly #hosts: ReadonlySet<string>;
  readonly #turns = new Map<string, Turn>();
  readonly #back: readonly string[];
  #baking: Baking | null = null;

  /** `back`: ids of the rollback part's steps; in them a host is shown as going back, whatever is done to it. */
  constructor(hosts: readonly string[], back: readonly string[]) {
    this.#hosts = new Set(hosts);
    this.#back = back;
  }

  /** Takes in rows in the order of `seq`. */
  add(rows: readonly JournalRow[]): void {
    for (const row of rows) this.#addRow(row);
  }

  of(host: string): Turn | null {
    return this.#turns.get(host) ?? null;
  }

  baking(): Baking | null {
    return this.#baking;
  }

  /** Hosts that are being worked at, with what is done: "web-1 draining". */
  busy(): string[] {
    return [...this.#turns].filter(([, turn]) => !turn.over).map(([host, { state }]) => `${host} ${state}`);
  }

  #addRow(row: JournalRow): void {
    // A failure or an interrupt ends the bake; its hosts stay as they are until something is done to them.
    if (row.type === "interrupted" || row.type === "end") this.#baking = null;
    if (row.name === null || (row.type !== "intent" && row.type !== "outcome")) return;
    this.#addBake(row.name, row);
    const segments = row.name.split("/");
    const at = segments.findIndex((segment) => this.#hosts.has(segment));
    const part = segments[at + 1];
    if (at < 1 || part === undefined) return;
    const host = segments[at] ?? "";
    const { name } = row;
    const isBack = segments.includes("back") || this.#back.some((id) => name.startsWith(`${id}/`));
    this.#addPart(host, part, isBack, row);
  }

  #addPart(host: string, part: string, isBack: boolean, { type, at }: JournalRow): void {
    const done = type === "outcome";
    if (part === "ready") {
      const state = isBack ? "reverting" : (this.#turns.get(host)?.state ?? "healthy");
      this.#turns.set(host, { state, at, over: done });
      return;
    }
    const states = Object.hasOwn(PARTS, part) ? PARTS[part] : undefined;
    if (states === undefined) return;
    this.#turns.set(host, { state: isBack ? "reverting" : states[done ? 1 : 0], at, over: false });
  }

  #addBake(name: string, { type, at }: JournalRow): void {
    const match = BAKE.exec(name);
    if (match === null) return;
    const [, what = "", round = "1", verdict] = match;
    if (verdict !== undefined) {
      if (type === "outcome") this.#baking = null;
      return;
    }
    const known = this.#baking;
    if (known !== null && known.what === what && known.round === Number(round)) return;
    this.#baking = { what, round: Number(round), since: at };
  }
}
