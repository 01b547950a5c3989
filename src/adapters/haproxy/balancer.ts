import { sleep } from "../../clock.ts";
import type { Clock } from "../../clock.ts";
import { TerminalError } from "../../engine/context.ts";
import type { StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { BalancerLook, LoadBalancer, ServerChange } from "../../operations/rollout/ports.ts";
import { changeCommands, closeCommand, LEVEL_COMMAND, observeCommand, SESSIONS_COMMAND } from "./commands.ts";
import type { HaproxyEndpoint } from "./endpoint.ts";
import { merged } from "./merge.ts";
import { countUpgraded, parseObservation } from "./observation.ts";
import type { Observation } from "./observation.ts";

export interface HaproxyOptions {
  readonly backend: string;
  /** One for each load balancer; all of them are kept in the same state. */
  readonly endpoints: readonly HaproxyEndpoint[];
  readonly clock: Clock;
}

interface Balancer {
  readonly endpoint: HaproxyEndpoint;
  /** The process in which everything that was ordered holds; another one, or a younger one, was reloaded. */
  last: Pick<Observation, "pid" | "uptimeS"> | null;
}

/**
 * HAProxy, by its runtime API (2.6 or later). A reload forgets drains and weights: it shows in another process or a
 * younger one, and before anything else is ordered or waited for, what was ordered here so far is ordered again.
 */
export function haproxyBalancer(options: HaproxyOptions): HaproxyBalancer {
  return new Haproxy(options);
}

/** A load balancer that can tell beforehand what it refuses, and what is known when one of several does not answer. */
export type HaproxyBalancer = LoadBalancer & Required<Pick<LoadBalancer, "check" | "look">>;

class Haproxy implements HaproxyBalancer {
  readonly target: "fenced" | "bounded";
  readonly #options: HaproxyOptions;
  readonly #balancers: readonly Balancer[];
  /** What was ordered last, by server. */
  readonly #ordered = new Map<string, ServerChange>();

  constructor(options: HaproxyOptions) {
    this.#options = options;
    this.#balancers = options.endpoints.map((endpoint) => ({ endpoint, last: null }));
    this.target = options.endpoints.every((one) => one.target === "fenced") ? "fenced" : "bounded";
  }

  async read(signal?: AbortSignal): ReturnType<LoadBalancer["read"]> {
    const seen = await all(this.#balancers.map((one) => this.#ask(one, signal)));
    return this.#merged(seen);
  }

  async look(signal?: AbortSignal): Promise<BalancerLook> {
    const asked = this.#balancers.map(async (one) => ({
      at: one.endpoint.name,
      ...(await this.#ask(one, signal)),
    }));
    const ends = await Promise.allSettled(asked);
    const seen = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    const unread = ends.flatMap((end) => (end.status === "rejected" ? [messageOf(end.reason)] : []));
    return { servers: merged(seen), read: seen.map(({ at }) => at), unread };
  }

  async check(servers: readonly string[], change: ServerChange, signal?: AbortSignal): Promise<void> {
    await all(
      this.#balancers.map(async (balancer) => {
        const seen = await this.#ask(balancer, signal);
        for (const server of servers) this.#require(server, change, seen, balancer);
        this.#requireNoAgent(servers, seen, balancer);
        const level = (await balancer.endpoint.ask(LEVEL_COMMAND, signal)).trim();
        if (level !== "operator" && level !== "user") return;
        const { name } = balancer.endpoint;
        const message = `HAProxy at ${name} takes no orders: the socket has \`level ${level}\`, it needs \`level admin\``;
        throw new TerminalError("HAPROXY_COMMAND_FAILED", message, { endpoint: name });
      }),
    );
  }

  async set(server: string, change: ServerChange, scope: StepScope): Promise<void> {
    const seen = await this.#observe(scope);
    // Before the first order, so that an unknown server changes nothing on any of them.
    for (const [at, one] of seen.entries()) this.#require(server, change, one, this.#balancers[at]!);
    this.#ordered.set(server, { ...this.#ordered.get(server), ...change });
    await this.#orderAll(changeCommands({ backend: this.#options.backend, server }, change), scope);
  }

  async waitIdle(server: string, withinMs: number, scope: StepScope): ReturnType<LoadBalancer["waitIdle"]> {
    let sessions = 0;
    let undone = false;
    const idle = await this.#until(withinMs, scope, async (seen) => {
      if (this.#isBack(server, seen)) {
        if (!undone) scope.log(`${server} was put back into traffic by somebody else; it is taken out again\n`);
        undone = true;
        await this.#orderAgainTo(server, scope);
        return false;
      }
      sessions = this.#merged(seen).find((one) => one.name === server)?.sessions ?? 0;
      return sessions === 0;
    });
    if (idle) return { sessions: 0, upgraded: 0 };
    const path = { backend: this.#options.backend, server };
    const lists = await all(this.#balancers.map(({ endpoint }) => endpoint.ask(SESSIONS_COMMAND, scope.signal)));
    const upgraded = lists.reduce((sum, list) => sum + countUpgraded(list, path), 0);
    return { sessions: Math.max(sessions, upgraded), upgraded };
  }

  waitUp(server: string, withinMs: number, scope: StepScope): Promise<boolean> {
    return this.#until(withinMs, scope, (seen) =>
      seen.every((one) => one.servers.some((found) => found.name === server && found.up)),
    );
  }

  async closeSessions(server: string, scope: StepScope): Promise<void> {
    const seen = await this.#observe(scope);
    for (const [at, one] of seen.entries()) this.#require(server, {}, one, this.#balancers[at]!);
    await this.#orderAll([closeCommand({ backend: this.#options.backend, server })], scope);
  }

  /** Those that know a fence first: where one of them refuses, the others, which would obey anybody, are told nothing. */
  async #orderAll(commands: readonly string[], scope: StepScope): Promise<void> {
    for (const target of ["fenced", "bounded"] as const) {
      const told = this.#balancers.filter(({ endpoint }) => endpoint.target === target);
      await all(told.map(({ endpoint }) => order(endpoint, commands, scope)));
    }
  }

  /** It was ordered out of traffic here, and is in it: what waits for its last request would wait beside new ones. */
  #isBack(server: string, seen: readonly Observation[]): boolean {
    const { admin = "ready" } = this.#ordered.get(server) ?? {};
    const isReady = ({ servers }: Observation): boolean =>
      servers.some((one) => one.name === server && one.admin === "ready");
    return admin !== "ready" && seen.some(isReady);
  }

  #orderAgainTo(server: string, scope: StepScope): Promise<void> {
    const { admin } = this.#ordered.get(server) ?? {};
    const change = admin === undefined ? {} : { admin };
    return this.#orderAll(changeCommands({ backend: this.#options.backend, server }, change), scope);
  }

  async #until(
    withinMs: number,
    scope: StepScope,
    done: (seen: readonly Observation[]) => boolean | Promise<boolean>,
  ): Promise<boolean> {
    const { clock } = this.#options;
    const end = clock.monotonic() + withinMs;
    const pollMs = Math.max(...this.#balancers.map((one) => one.endpoint.pollMs));
    for (;;) {
      if (await done(await this.#observe(scope))) return true;
      const left = end - clock.monotonic();
      if (left <= 0) return false;
      await sleep(clock, Math.min(pollMs, left), scope.signal);
    }
  }

  /** Reads all of them, and brings those that were reloaded back into the state that was ordered. */
  #observe(scope: StepScope): Promise<Observation[]> {
    return all(
      this.#balancers.map(async (balancer) => {
        const seen = await this.#ask(balancer, scope.signal);
        const again = reloaded(balancer.last, seen) ? await this.#orderAgain(balancer, seen, scope) : seen;
        balancer.last = again;
        return again;
      }),
    );
  }

  async #orderAgain(balancer: Balancer, seen: Observation, scope: StepScope): Promise<Observation> {
    const { backend } = this.#options;
    const known = [...this.#ordered].filter(([name]) => seen.servers.some((one) => one.name === name));
    if (known.length === 0) return seen;
    const names = known.map(([name]) => name).join(", ");
    scope.log(`HAProxy at ${balancer.endpoint.name} was reloaded; ordered again: ${names}\n`);
    const commands = known.flatMap(([server, change]) => changeCommands({ backend, server }, change));
    await order(balancer.endpoint, commands, scope);
    return this.#ask(balancer, scope.signal);
  }

  async #ask({ endpoint }: Balancer, signal?: AbortSignal): Promise<Observation> {
    const answer = await endpoint.ask(observeCommand(this.#options.backend), signal);
    try {
      return parseObservation(answer);
    } catch (error) {
      throw refusal(endpoint, answer, messageOf(error));
    }
  }

  /** `seen` is in the order of the load balancers. */
  #merged(seen: readonly Observation[]): ReturnType<typeof merged> {
    return merged(seen.map(({ servers }, at) => ({ at: this.#balancers[at]?.endpoint.name ?? "", servers })));
  }

  /** @throws TerminalError HAPROXY_AGENT_CHECK */
  #requireNoAgent(servers: readonly string[], seen: Observation, { endpoint }: Balancer): void {
    const names = seen.servers.filter((one) => one.agent && servers.includes(one.name)).map((one) => one.name);
    if (names.length === 0) return;
    const commands = names.map((name) => `\`disable agent ${this.#options.backend}/${name}\``).join(", ");
    const message =
      `HAProxy at ${endpoint.name} asks an agent about ${names.join(", ")}, whose answer would undo a drain and the weight ` +
      `of a canary at any moment. Stop that for the deployment: ${commands}`;
    throw new TerminalError("HAPROXY_AGENT_CHECK", message, { servers: names, endpoint: endpoint.name });
  }

  #require(server: string, change: ServerChange, seen: Observation, { endpoint }: Balancer): void {
    const found = seen.servers.find((one) => one.name === server);
    if (found === undefined) {
      const known = seen.servers.map((one) => one.name).join(", ");
      const message = `HAProxy at ${endpoint.name} has no server ${server} in backend ${this.#options.backend}; it has: ${known}`;
      throw new TerminalError("SERVER_UNKNOWN", message, { server, endpoint: endpoint.name });
    }
    const { weightPercent = 0 } = change;
    if (weightPercent === 0 || (found.configuredWeight * weightPercent) / 100 >= 1) return;
    const message =
      `HAProxy at ${endpoint.name} cannot give ${server} ${weightPercent} % of its weight ${found.configuredWeight}: ` +
      "weights are whole numbers. Set `weight 100` for every server in its configuration";
    throw new TerminalError("HAPROXY_COMMAND_FAILED", message, { server, endpoint: endpoint.name });
  }
}

function reloaded(before: Balancer["last"], now: Observation): boolean {
  return before !== null && (before.pid !== now.pid || now.uptimeS < before.uptimeS);
}

/** Orders, and takes anything but an empty answer for a refusal. */
async function order(endpoint: HaproxyEndpoint, commands: readonly string[], scope: StepScope): Promise<void> {
  if (commands.length === 0) return;
  const answers = await endpoint.order(commands, scope);
  const at = answers.findIndex((answer) => answer.trim() !== "");
  if (at >= 0) throw refusal(endpoint, answers[at] ?? "", `it answered "${commands[at]}" so`);
}

function refusal(endpoint: HaproxyEndpoint, answer: string, why: string): TerminalError {
  const said = answer.trim().split("\n")[0] ?? "";
  const hint = /permission denied/i.test(said) ? "; the socket needs `level admin`" : "";
  const code = said.startsWith("No such server") ? "SERVER_UNKNOWN" : "HAPROXY_COMMAND_FAILED";
  return new TerminalError(code, `HAProxy at ${endpoint.name}: ${said || "nothing"} (${why})${hint}`, {
    endpoint: endpoint.name,
    answer: said,
  });
}

/** Waits for all, so that nothing goes on unseen, and then fails with the first failure. */
async function all<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ends = await Promise.allSettled(work);
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return ends.map((end) => (end as PromiseFulfilledResult<T>).value);
}
