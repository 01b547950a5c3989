/** What becomes of a deployment when what it is watched by is broken: from the page that a host answers to the end of it. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { RolloutEnd } from "../../src/operations/rollout/testing/rollout-world.ts";
import { HANGS, watchedRollout, type Alter, type Options, type WatchedRollout } from "../support/watched-rollout.ts";

const OLD_EVERYWHERE = { "web-1": "2.0.0 ready 100", "web-2": "2.0.0 ready 100", "web-3": "2.0.0 ready 100" };

/** Replaces the value of every series whose line begins like that. */
const setting =
  (series: string, value: string): Alter =>
  (page) =>
    page.replaceAll(new RegExp(`^(${series}[^ ]*) .*$`, "gm"), `$1 ${value}`);

/** Only from that second of the deployment on, so that the plan sees nothing of it. */
const from =
  (second: number, alter: Alter): Alter =>
  (page, host) =>
    host.second !== null && host.second >= second ? alter(page, host) : page;

const onCanary =
  (alter: Alter): Alter =>
  (page, host) =>
    host.isNew ? alter(page, host) : page;

async function deployment(
  t: TestContext,
  prepare: (scene: WatchedRollout) => void,
  options?: Options,
): Promise<RolloutEnd & { readonly scene: WatchedRollout }> {
  const scene = await watchedRollout(t, options);
  prepare(scene);
  const end = await scene.deploy();
  assert.deepEqual(scene.world.hosts.violations, []);
  return { ...end, scene };
}

/** Nobody promoted it, so it went back; nothing was said against the release. */
function assertNotJudged(
  end: RolloutEnd & { readonly scene: WatchedRollout },
  state: "blind" | "undecided",
  why: RegExp,
): void {
  assert.equal(end.outcome, "rolled-back", JSON.stringify(end.error));
  const { code, message } = end.error ?? assert.fail("it went back without a reason");
  assert.equal(code, "BAKE_NOT_PROMOTED", message);
  assert.match(message, new RegExp(`the bake was ${state} `));
  assert.match(message, why);
  assert.deepEqual(end.scene.world.hosts.picture(), OLD_EVERYWHERE);
  assert.equal(end.scene.watch.explain("run-1")!.agrees, true);
}

describe("a deployment that is watched through what its hosts answer", () => {
  test("succeeds with a healthy release", async (t) => {
    const end = await deployment(t, () => {});
    assert.deepEqual([end.outcome, end.error], ["succeeded", null]);
    assert.match(end.report!.summary, /3 hosts serve 2\.1\.0/);
    assert.equal(end.scene.watch.explain("run-1")!.agrees, true);
  });

  const bad: readonly [string, Partial<WatchedRollout["fresh"]>, string][] = [
    ["answers every request with an error", { errors: 60 }, "error-rate|errors-versus-baseline"],
    ["answers 5 % with an error", { errors: 3 }, "error-rate|errors-versus-baseline"],
    ["answers a fifth of the requests slowly", { slow: 12 }, "latency-p95|latency-versus-baseline"],
    ["fills its memory", { memory: 1.2 }, "memory"],
  ];
  for (const [does, service, rule] of bad) {
    test(`goes back, from its canary, with a release that ${does}`, async (t) => {
      const end = await deployment(t, ({ fresh }) => void Object.assign(fresh, service));
      assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "breach"]);
      assert.match(end.error!.message, new RegExp(`^(${rule})$`));
      assert.deepEqual(end.scene.world.hosts.picture(), OLD_EVERYWHERE);
      const touched = end.scene.world.hosts.events.filter((event) => event.includes("activate"));
      assert.deepEqual(touched, ["web-1 activate 2.1.0", "web-1 activate 2.0.0"]);
    });
  }

  test("is held when every request fails on both arms, and the release is not blamed", async (t) => {
    const end = await deployment(t, ({ fresh, old }) => {
      for (const service of [fresh, old]) service.errors = 60;
    });
    assertNotJudged(end, "undecided", /the baseline is in trouble as well, so the release may not be to blame/);
  });

  test("is not judged without traffic, and says that none comes", async (t) => {
    const end = await deployment(t, ({ fresh, old }) => {
      for (const service of [fresh, old]) service.requests = 0;
    });
    assertNotJudged(end, "undecided", /Error rate > 1%: \d of 100 requests seen, and none are coming/);
  });

  test("is not judged by one request", async (t) => {
    const one: Alter = (page) =>
      page.replaceAll(
        /^(http_\w+(?:\{(?!status="500")[^}]*\})?) (.*)$/gm,
        (_, series, n) => `${series} ${Number(n) + 1}`,
      );
    const end = await deployment(t, (scene) => {
      scene.fresh.requests = 0;
      scene.alter = from(20, onCanary(one));
    });
    assertNotJudged(
      end,
      "undecided",
      /Error rate > 1%: 1 of 100 requests seen, more than a day to go at the present rate/,
    );
  });

  test("with too little traffic says how long it would take", async (t) => {
    const end = await deployment(t, ({ fresh }) => void (fresh.requests = 0.5));
    assertNotJudged(end, "undecided", /\d\d of 100 requests seen, about \d+ s to go at the present rate/);
  });

  const silent: readonly [string, Alter, RegExp][] = [
    ["does not answer from the start on", from(0, () => null), /no data of the canary for \d+ s: .*socket hang up/],
    ["stops answering in the middle, for ever", from(30, () => null), /no data of the canary for \d+ s/],
    ["never ends its answers", from(0, () => HANGS), /no answer within 2000 ms/],
    [
      "does not answer on the canary alone",
      from(
        0,
        onCanary(() => null),
      ),
      /no data of the canary/,
    ],
    ["answers with a page of something else", from(0, () => "<html>ok</html>"), /not in the Prometheus text format/],
    [
      "loses its requests' metric",
      from(0, (page) => page.replaceAll("http_requests", "http_request")),
      /reports no requests/,
    ],
    ["counts NaN requests", from(0, setting("http_requests_total", "NaN")), /web-1 reports NaN requests/],
    [
      "counts a negative number of requests",
      from(0, setting("http_requests_total", "-7")),
      /web-1 reports -14 requests/,
    ],
    ["counts infinitely many requests", from(0, setting("http_requests_total", "+Inf")), /reports Infinity requests/],
  ];
  for (const [does, alter, why] of silent) {
    test(`is blind, and neither goes on nor blames the release, when the source ${does}`, async (t) => {
      const end = await deployment(t, (scene) => void (scene.alter = alter));
      assertNotJudged(end, "blind", why);
    });
  }

  test("is blind to a host that answers under another one's name", async (t) => {
    const alter = from(
      0,
      onCanary((page) => page.replace('host="web-1"', 'host="web-2"')),
    );
    const end = await deployment(t, (scene) => void (scene.alter = alter));
    assertNotJudged(end, "blind", /web-1 answers as "web-2"/);
  });

  test("goes on after a source that was down in the middle", async (t) => {
    const away: Alter = (page, { second }) => (second !== null && second > 20 && second < 35 ? null : page);
    const end = await deployment(t, (scene) => void (scene.alter = away));
    assert.deepEqual([end.outcome, end.error], ["succeeded", null]);
    assert.ok(end.scene.watch.notes.some(({ text }) => text.includes("socket hang up")));
  });

  test("goes back by what it saw before the source went away for ever", async (t) => {
    const end = await deployment(t, (scene) => {
      scene.fresh.errors = 6;
      scene.alter = from(25, () => null);
    });
    assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "breach"]);
  });

  test("does not take for missing a metric that is declared and has no series yet: that is no request", async (t) => {
    const bare: Alter = from(
      0,
      onCanary((page) => page.replaceAll(/^http_requests_total\{.*\n/gm, "")),
    );
    const end = await deployment(t, (scene) => void (scene.alter = bare));
    assertNotJudged(end, "undecided", /0 of 100 requests seen, and none are coming/);
  });

  test("takes counters that begin again with their process for what they are", async (t) => {
    // Every ten seconds a process starts anew: its counters are those since then.
    const restarting: Alter = (page, { second }) => {
      if (second === null) return page;
      const runs = second % 10;
      const started = page.replaceAll(/^(process_start_time_seconds) .*$/gm, `$1 ${1e9 + Math.floor(second / 10)}`);
      return started.replaceAll(
        /^(http_\w+(?:\{[^}]*\})?) .*$/gm,
        (_, series: string) => `${series} ${60 * runs * share(series)}`,
      );
    };
    const end = await deployment(t, (scene) => void (scene.alter = restarting));
    assert.deepEqual([end.outcome, end.error], ["succeeded", null]);
  });

  test("does not believe counters that go back although their process is the same", async (t) => {
    const sawtooth: Alter = from(
      0,
      onCanary((page, host) => setting("http_requests_total", String(1000 - host.second!))(page, host)),
    );
    const end = await deployment(t, (scene) => void (scene.alter = sawtooth));
    assertNotJudged(end, "blind", /counters of web-1 went back although it did not restart/);
  });

  test("notes when the load balancer gives the canary another part of the traffic than was set", async (t) => {
    const end = await deployment(t, ({ fresh }) => void (fresh.requests = 240), { rollout: { canaryPercent: 10 } });
    assert.equal(end.outcome, "succeeded");
    const off = /the canary gets 6\d % of the requests, the weight that was set is 9\.9 %/;
    assert.ok(
      end.scene.watch.notes.some(({ text }) => off.test(text)),
      JSON.stringify(end.scene.watch.notes),
    );
    assert.match(JSON.stringify(end.report!.findings), off);
  });
});

/** The part of the requests that a series of the page counts: half below 100 ms, all without errors. */
function share(series: string): number {
  if (series.includes('status="500"')) return 0;
  return series.includes('le="0.1"') ? 0.5 : series.includes('le="0.4"') ? 0.9 : 1;
}

describe("a deployment that is watched through Prometheus", () => {
  const through = { through: "prometheus" } as const;

  test("succeeds with a healthy release, and goes back with one that fails", async (t) => {
    const good = await deployment(t, () => {}, through);
    assert.deepEqual([good.outcome, good.error], ["succeeded", null]);
    const bad = await deployment(t, ({ fresh }) => void (fresh.errors = 6), through);
    assert.deepEqual([bad.outcome, bad.error?.code], ["rolled-back", "breach"]);
  });

  const stamps: readonly [string, WatchedRollout["stamp"], RegExp][] = [
    [
      "stand still",
      ({ second }, now) => (second === null ? now : now - second * 1000),
      /the reading of web-1 is the one before/,
    ],
    [
      "go back",
      ({ second }, now) => (second === null ? now : now - 2_000 * second),
      /the reading of web-1 is older than the one before/,
    ],
    [
      "lie in the future",
      ({ second }, now) => (second === null ? now : now + 3_600_000),
      /the reading of web-1 lies 3600 s in the future/,
    ],
    ["end", ({ second }, now) => (second === null ? now : null), /Prometheus has no recent sample of web-1/],
  ];
  for (const [do_, stamp, why] of stamps) {
    test(`is blind when the timestamps of its samples ${do_}`, async (t) => {
      const end = await deployment(t, (scene) => void (scene.stamp = stamp), through);
      assertNotJudged(end, "blind", why);
    });
  }

  test("takes in once what samples out of order count, with the next in order", async (t) => {
    // Every third sample is the one of three seconds before.
    const jumbled: WatchedRollout["stamp"] = ({ second }, now) =>
      second !== null && Math.floor(second) % 3 === 1 ? now - 3_000 : now;
    const end = await deployment(t, (scene) => void (scene.stamp = jumbled), through);
    assert.deepEqual([end.outcome, end.error], ["succeeded", null]);
  });
});

describe("a plan that is to be watched", () => {
  const plan = async (t: TestContext, alter: Alter, options?: Options): Promise<readonly string[]> => {
    const scene = await watchedRollout(t, options);
    scene.alter = alter;
    return scene.plan();
  };
  const asIs: Alter = (page) => page;

  test("is refused for a limit on response times at which the histogram has no edge, and names those it has", async (t) => {
    const runbook = "# S\n\n## Alert Thresholds\n\n- p95 response time > 300 ms\n- Error rate > 1%\n";
    const [message] = await plan(t, asIs, { runbook });
    assert.match(message!, /the histogram of web-1 has no bucket edge at 300 ms, only at 100 ms, 400 ms, 500 ms/);
    assert.match(message!, /Add a bucket with le="0\.3"/);
  });

  const missing: readonly [string, Alter, RegExp][] = [
    [
      "a metric has another name",
      (page) => page.replaceAll("http_requests_total", "http_requests"),
      /does not report a counter of requests.*monitoring\.bindings/,
    ],
    [
      "no limit of memory is reported",
      (page) => page.replace(/^app_memory.*$/m, ""),
      /does not report memory in use and its limit/,
    ],
    ["a counter is NaN", setting("http_requests_total", "NaN"), /reports NaN for a counter of requests/],
    ["a counter is negative", setting("http_requests_total", "-1"), /reports -2 for a counter of requests/],
    ["no host answers", () => null, /No host reports metrics: web-1: .*socket hang up/],
    ["a host does not answer", (page, { name }) => (name === "web-3" ? null : page), /Cannot watch web-3/],
    [
      "a host answers under another one's name",
      (page, { name }) => (name === "web-2" ? page.replace("web-2", "web-3") : page),
      /web-2 answers as "web-3"/,
    ],
  ];
  for (const [what, alter, why] of missing) {
    test(`is refused when ${what}`, async (t) => {
      const messages = await plan(t, alter);
      assert.match(messages.join("\n"), why);
    });
  }
});
