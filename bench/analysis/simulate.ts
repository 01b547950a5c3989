import type { PastInterval } from "../../src/analysis/metrics.ts";
import type { Random } from "./random.ts";
import type { Scenario, Traffic, Trouble } from "./scenario.ts";
import { EDGES, MEDIAN, SIGMA, slowerParts } from "./scenario.ts";

/** What one arm did in one second. `slower[i]` requests took longer than `EDGES[i]`. */
export interface ArmSecond {
  requests: number;
  errors: number;
  slower: number[];
  cpu: number;
  memory: number;
}

export interface Second {
  canary: ArmSecond;
  baseline: ArmSecond;
}

interface Pending {
  canary: boolean;
  left: number;
  until: number;
}

/** Makes the traffic of a scenario second by second; call `next` once a second, from 0. The result is reused. */
export function simulator(scenario: Scenario, random: Random): { next(second: number): Second } {
  const { traffic, trouble } = scenario;
  const phase = random.uniform() * 3600;
  const shared = sharedEvents(traffic, random);
  const clusters: Pending[] = [];
  const noise = { canary: 0, baseline: 0 };
  const out: Second = { canary: emptySecond(), baseline: emptySecond() };
  const slowdown = trouble?.slowdown;
  const slowParts = slowdown === undefined ? null : slowerParts(MEDIAN, SIGMA, slowdown);
  const fill = (arm: "canary" | "baseline", second: number, swing: number): void => {
    const own = out[arm];
    const part = arm === "canary" ? traffic.part : 1 - traffic.part;
    const struck = arm === "canary" && trouble !== null && second >= trouble.start ? trouble : null;
    const { factor, errors: outage } = shared(second);
    own.requests = random.poisson(traffic.rate * part * swing * factor);
    const normal = struck?.errors ?? (traffic.diurnal === undefined ? traffic.errors : traffic.errors * swing);
    if (traffic.cluster === undefined || struck?.errors !== undefined) {
      own.errors = random.binomial(own.requests, Math.max(normal, outage));
    } else {
      const clustered = takeClusters(clusters, arm === "canary", second, random);
      // The failing client's own requests are traffic as well.
      own.requests = Math.max(own.requests, clustered);
      own.errors = clustered;
    }
    split(own, struck !== null && slowParts !== null ? slowParts : traffic.slower, random);
    // A second's CPU follows the one before (0.8) around its mean.
    noise[arm] = 0.8 * noise[arm] + 0.03 * random.normal();
    own.cpu = Math.min(1, Math.max(0, (struck?.cpu ?? traffic.cpu) + noise[arm]));
    own.memory = memoryAt(traffic, struck, second, random);
  };
  return {
    next(second) {
      const swing =
        traffic.diurnal === undefined ? 1 : 1 + traffic.diurnal * Math.sin((2 * Math.PI * (second + phase)) / 3600);
      if (traffic.cluster !== undefined) startClusters(traffic, clusters, second, random);
      fill("canary", second, swing);
      fill("baseline", second, swing);
      return out;
    },
  };
}

function emptySecond(): ArmSecond {
  return { requests: 0, errors: 0, slower: EDGES.map(() => 0), cpu: 0, memory: 0 };
}

function sharedEvents(traffic: Traffic, random: Random): (second: number) => { factor: number; errors: number } {
  const { bursts, outages } = traffic;
  const offset = random.uniform();
  const during = (event: { seconds: number; every: number } | undefined, second: number): boolean =>
    event !== undefined && (second + Math.floor(offset * event.every)) % event.every < event.seconds;
  return (second) => ({
    factor: during(bursts, second) ? bursts!.factor : 1,
    errors: during(outages, second) ? outages!.errors : 0,
  });
}

function startClusters(traffic: Traffic, clusters: Pending[], second: number, random: Random): void {
  const { size, seconds } = traffic.cluster!;
  const begun = random.poisson((traffic.rate * traffic.errors) / size);
  for (let i = 0; i < begun; i++) {
    clusters.push({ canary: random.uniform() < traffic.part, left: random.geometric(size), until: second + seconds });
  }
}

/** Errors that this second's clusters put on the arm: those left, spread evenly over the seconds left. */
function takeClusters(clusters: Pending[], canary: boolean, second: number, random: Random): number {
  let taken = 0;
  for (let i = clusters.length - 1; i >= 0; i--) {
    const one = clusters[i]!;
    if (one.canary !== canary) continue;
    const now = random.binomial(one.left, 1 / Math.max(1, one.until - second));
    taken += now;
    one.left -= now;
    if (one.left === 0) clusters.splice(i, 1);
  }
  return taken;
}

/** Divides the requests over the buckets: a multinomial as a chain of binomials. */
function split(own: ArmSecond, slower: readonly number[], random: Random): void {
  let left = own.requests;
  let part = 1;
  for (let i = 0; i < EDGES.length; i++) {
    left = left === 0 ? 0 : random.binomial(left, slower[i]! / part);
    own.slower[i] = left;
    part = slower[i]!;
  }
}

function memoryAt(traffic: Traffic, struck: Trouble | null, second: number, random: Random): number {
  const leaked = struck?.leak === undefined ? 0 : struck.leak * (second - struck.start);
  return Math.min(1, traffic.memory + leaked + 0.002 * random.normal());
}

/** The baseline's past hour: the same traffic, all of it on the old release. */
export function pastHour(traffic: Traffic, random: Random): PastInterval[] {
  const clusters: Pending[] = [];
  const shared = sharedEvents(traffic, random);
  const phase = random.uniform() * 3600;
  return Array.from({ length: 3600 }, (_, second) => {
    const swing =
      traffic.diurnal === undefined ? 1 : 1 + traffic.diurnal * Math.sin((2 * Math.PI * (second + phase)) / 3600);
    const { factor, errors: outage } = shared(second);
    const requests = random.poisson(traffic.rate * swing * factor);
    if (traffic.cluster === undefined) {
      return {
        requests,
        errors: random.binomial(
          requests,
          Math.max(outage, traffic.errors * (traffic.diurnal === undefined ? 1 : swing)),
        ),
      };
    }
    startClusters({ ...traffic, part: 0 }, clusters, second, random);
    const errors = takeClusters(clusters, false, second, random);
    return { requests: Math.max(requests, errors), errors };
  });
}
