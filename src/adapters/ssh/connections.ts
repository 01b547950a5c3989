import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import path from "node:path";
import type { Clock } from "../../clock.ts";
import { isAlive } from "../../engine/process-identity.ts";
import { sha256 } from "../../json.ts";
import { makeControlDirectory } from "./control-directory.ts";
import { PROLOGUE, READY, question } from "./framing.ts";
import { keepConnections, takeConnections } from "./kept-connections.ts";
import type { KeptConnection } from "./kept-connections.ts";
import { adoptLink, startLink, startNamedLink } from "./link.ts";
import type { Link, LinkHandle, LinkOptions } from "./link.ts";
import { PipeSupply } from "./named-pipes.ts";
import { Session } from "./session.ts";

/** The connection to a host, by the session that opened it. */
export interface Connection {
  readonly session: Session;
  /** Of others that share it. */
  readonly socket: string;
  /** What it was made with; null when it ends with this process. */
  readonly key: string | null;
}

export interface ConnectionsOptions {
  readonly clock: Clock;
  /** How long connections outlive this process; 0 for not at all. */
  readonly persistMs: number;
  /** Use those of an earlier command. */
  readonly takeOver: boolean;
  /** What a connection to that host would be made with now; null when there is no such host. */
  readonly keyOf: (host: string) => string | null;
  /** Where the directory of control sockets is made; by default the usual place for temporary files. */
  readonly place?: string | undefined;
}

/** The open connections of a process, with the directory of their control sockets. */
export class Connections {
  readonly #options: ConnectionsOptions;
  /** Short, because a socket's path ends at 108 characters and ssh appends 17 of its own. */
  readonly #directory: string;
  readonly #pipes: PipeSupply;
  readonly #open = new Map<string, Connection>();

  constructor(options: ConnectionsOptions) {
    const { takeOver, keyOf, place } = options;
    this.#options = options;
    const taken = takeOver ? takeConnections((one) => keyOf(one.host) === one.key, place) : null;
    this.#directory = taken?.directory ?? makeControlDirectory(place);
    this.#pipes = new PipeSupply(this.#directory);
    for (const one of taken?.connections ?? []) this.#adopt(one);
    taken?.settle();
  }

  /** Hosts that have one, least recently used first where they come from an earlier command. */
  hosts(): string[] {
    return [...this.#open.keys()];
  }

  get(host: string): Connection | undefined {
    return this.#open.get(host);
  }

  set(host: string, connection: Connection): void {
    this.#open.set(host, connection);
  }

  /** Forgets it; gives it back so that it can be ended. */
  delete(host: string): Connection | undefined {
    const found = this.#open.get(host);
    this.#open.delete(host);
    return found;
  }

  /** Another one for every connection, so that one that still ends is in nobody's way. */
  newSocket(host: string): string {
    return path.join(this.#directory, `${sha256(host).slice(0, 12)}-${randomBytes(3).toString("hex")}`);
  }

  /** Starts a session that may become the connection of a host, with its key, or one that ends with this process. */
  async start(
    how: LinkOptions,
    host: string | null,
  ): Promise<{ readonly session: Session; readonly key: string | null }> {
    const { clock, persistMs, keyOf } = this.#options;
    // From before it is made, so that what changes meanwhile is not taken for what it was made with.
    const key = host === null || persistMs === 0 ? null : keyOf(host);
    const name = key === null ? null : await this.#pipes.take();
    const link = name === null ? startLink(how) : startNamedLink(how, this.#directory, name);
    return { session: new Session({ link, greeting: PROLOGUE, answer: `${READY} `, clock }), key };
  }

  /** Whether the connection of that host can be left to the next command. */
  canKeep(host: string): boolean {
    return this.#keptOf(host) !== null;
  }

  /** Leaves the connections of these hosts to the next command. False when that cannot be, and they are still there. */
  async keep(hosts: readonly string[]): Promise<boolean> {
    await this.#pipes.clear();
    const kept = hosts.flatMap((host) => this.#keptOf(host) ?? []);
    if (kept.length === 0) return false;
    const connections = kept.map(({ connection }) => connection);
    const descriptors = kept.flatMap(({ handle }) => handle.descriptors);
    if (!(await keepConnections(this.#directory, connections, descriptors, this.#options.persistMs))) return false;
    for (const { session } of kept) session.release();
    return true;
  }

  /** Removes the directory, when every connection has ended. */
  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #keptOf(
    host: string,
  ): { readonly connection: KeptConnection; readonly handle: LinkHandle; readonly session: Session } | null {
    const { session, socket, key = null } = this.#open.get(host) ?? {};
    const handle = session?.handle ?? null;
    if (this.#options.persistMs === 0) return null;
    if (session === undefined || socket === undefined || handle === null || key === null) return null;
    const { name, ssh } = handle;
    return { connection: { host, key, name, socket: path.basename(socket), ssh }, handle, session };
  }

  /** Takes a connection of an earlier command over; another one is left to its end. */
  #adopt({ host, key, name, socket, ssh }: KeptConnection): void {
    if (this.#options.keyOf(host) !== key || !isAlive(ssh)) return;
    let link: Link;
    try {
      link = adoptLink(this.#directory, name, ssh);
    } catch {
      return;
    }
    const marker = randomBytes(8).toString("hex");
    const { clock } = this.#options;
    const session = new Session({ link, greeting: question(marker), answer: `${READY} ${marker}`, clock });
    this.#open.set(host, { session, socket: path.join(this.#directory, socket), key });
  }
}
