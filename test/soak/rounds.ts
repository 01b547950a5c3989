/** What a soak does, decided by its seed alone: deployments and rollbacks, and where each is disturbed. */
import { randomOf } from "../../src/rehearsal/random.ts";
import type { Random } from "../../src/rehearsal/random.ts";

/**
 * How an orchestrator is disturbed. `alone`: killed, while its scripts go on. `tree`: killed together with every process
 * group that it has started. `asleep`: stopped until its lease has run out and a successor is at work, then woken up.
 */
export type Way = "alone" | "tree" | "asleep";

export interface Disturbance {
  readonly way: Way;
  /** How long the orchestrator has been at it, milliseconds. */
  readonly afterMs: number;
  /** When a sleeper is woken, milliseconds after its successor began. */
  readonly wakeMs: number;
  /** Whether the successor is started as a timer would, by `resume --all`. */
  readonly byTimer: boolean;
}

export type Kind = "good" | "failing" | "rollback" | "gradual";

export interface Round {
  readonly kind: Kind;
  /** What `sunny` is called with. */
  readonly args: readonly string[];
  readonly outcome: "succeeded" | "rolled-back";
  /** What every host runs afterwards. */
  readonly active: string;
  readonly disturbances: readonly Disturbance[];
}

/** What the sample system runs at first. */
const FIRST = "2.0.0";
/** Releases that a soak needs, besides the first one. */
export const RELEASES = [
  { variant: "good", version: "2.1.0" },
  { variant: "good", version: "2.1.1" },
  { variant: "failing", version: "2.2.0" },
] as const;
export const FAILING = "2.2.0";

/** How long each takes when nobody disturbs it, milliseconds: moments are chosen within. */
const WHOLE_MS: Readonly<Record<Kind, number>> = { good: 6_500, failing: 5_500, rollback: 3_000, gradual: 6_500 };
/** An orchestrator may be disturbed, and its successors, so often in a round. */
const MOST = 3;
/** Part of all disturbances in which it only sleeps: each takes as long as a lease. */
const ASLEEP = 0.15;

/** Rounds without an end. */
export function* roundsOf(seed: number): Generator<Round, never, void> {
  const random = randomOf(seed, "soak");
  let [active, before] = [FIRST, null as string | null];
  for (;;) {
    const kind = random.pick<Kind>(
      before === null ? ["good"] : ["good", "good", "failing", "failing", "rollback", "gradual"],
    );
    const others = RELEASES.filter(({ variant, version }) => variant === "good" && version !== active);
    const version = random.pick(others).version;
    const disturbances: Disturbance[] = [];
    do disturbances.push(disturbanceOf(random, WHOLE_MS[kind]));
    while (disturbances.length < MOST && random.chance(0.3));
    const round = { kind, disturbances, outcome: "succeeded" } as const;
    switch (kind) {
      case "good":
        [active, before] = [version, active];
        yield { ...round, args: ["deploy", "--release", version], active };
        break;
      case "failing":
        yield { ...round, args: ["deploy", "--release", FAILING], outcome: "rolled-back", active };
        break;
      case "rollback":
      case "gradual":
        // There is a way back from what was deployed, and none forward: that is a deployment.
        [active, before] = [before ?? FIRST, null];
        yield {
          ...round,
          args: ["rollback", "--version", active, ...(kind === "gradual" ? ["--gradual"] : [])],
          active,
        };
    }
  }
}

function disturbanceOf(random: Random, wholeMs: number): Disturbance {
  return {
    way: random.chance(ASLEEP) ? "asleep" : random.pick(["alone", "tree"]),
    afterMs: random.int(wholeMs),
    wakeMs: random.int(wholeMs),
    byTimer: random.chance(0.25),
  };
}

/** Whether it ends the orchestrator for good. */
export const isKill = (way: Way): boolean => way !== "asleep";

/** The round without the kills after the first `most`. */
export function withKills(round: Round, most: number): Round {
  let left = most;
  return { ...round, disturbances: round.disturbances.filter(({ way }) => !isKill(way) || left-- > 0) };
}

/** The first rounds, until orchestrators are killed that often, if none of the rounds is over too soon. */
export function roundsWithKills(kills: number, rounds: Iterator<Round>): Round[] {
  const taken: Round[] = [];
  for (let left = kills; left > 0;) {
    const round = withKills(rounds.next().value as Round, left);
    taken.push(round);
    left -= round.disturbances.filter(({ way }) => isKill(way)).length;
  }
  return taken;
}

/** For people: "rollback --version 2.0.0, alone after 312 ms". */
export function titleOf({ args, disturbances }: Round): string {
  return [args.join(" "), ...disturbances.map(({ way, afterMs }) => `${way} after ${afterMs} ms`)].join(", ");
}
