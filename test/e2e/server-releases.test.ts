/** Releases that servers cannot take, or that do not do what they should: the deployment goes back, and says why. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import process from "node:process";
import type { SystemConfig } from "../../src/system/schema.ts";
import { type Fault, describeFaults } from "../support/remote/faults.ts";
import { HANGS, claims, diesAfter, packChanged, startsAfter } from "../support/remote/releases.ts";
import type { RemoteSystem } from "../support/remote/remote-system.ts";

const RELEASES = {
  altered: "3.0.0",
  dying: "3.0.1",
  claiming: "3.0.2",
  hanging: "3.0.3",
  late: "3.0.4",
  large: "3.0.5",
} as const;

/** Within this time a service has started, also on a busy machine: what is said is how it answers then. */
const ANSWERING_MS = 6_000;

/** With other times, until the fault is over. */
const rollout =
  (change: SystemConfig["rollout"], more: Partial<SystemConfig> = {}) =>
  (system: RemoteSystem) =>
    system.changeConfig((config) => ({ ...config, ...more, rollout: { ...config.rollout, ...change } }));

/** A program of web-2, as whoever comes over SSH finds it. */
const program = (system: RemoteSystem, name: string, text?: string): void => {
  const file = path.join(system.host("web-2").bin, name);
  if (text === undefined) rmSync(file);
  else writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
};

const releasesOf = (system: RemoteSystem): string => path.join(system.host("web-2").root, "releases");
const noHostTouched: Fault["check"] = (_system, { events }) => {
  assert.deepEqual(
    events.filter((event) => event["state"] === "draining"),
    [],
  );
};

/** More than a script holds, so that it comes as a payload. */
const ALTERED = `// altered on the way\u0001\n${"// and more than a script writes itself\n".repeat(200)}`;

const FAULTS: readonly Fault[] = [
  {
    name: "a release that is altered on the way to a host is not switched to anywhere",
    release: RELEASES.altered,
    before: (system) => {
      // What arrives is what `cat` writes into the part; every other use of it is as it should be.
      const alter = "/bin/cat | tr '\\001' '\\002'";
      program(system, "cat", `case $(readlink /proc/$$/fd/1) in *.part) ${alter} ;; *) exec /bin/cat "$@" ;; esac`);
    },
    ends: "rolled-back",
    says: [/web-2: release 3\.0\.0-\w+ arrived with digest \w+, what was sent has/],
    check(system, ended) {
      assert.deepEqual(
        readdirSync(releasesOf(system)).filter((name) => name.includes(RELEASES.altered)),
        [],
      );
      return noHostTouched(system, ended);
    },
    after: (system) => program(system, "cat"),
  },
  {
    name: "a host without room for the release is named, and nothing is switched anywhere",
    skip: process.getuid?.() === 0 ? false : "needs root to mount a small file system",
    release: RELEASES.large,
    before: (system) => {
      const [releases, aside] = [releasesOf(system), path.join(system.directory, "aside")];
      cpSync(releases, aside, { recursive: true, verbatimSymlinks: true });
      assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", releases]).status, 0);
      cpSync(aside, releases, { recursive: true, verbatimSymlinks: true });
    },
    ends: "rolled-back",
    says: [/web-2: no room for release 3\.0\.5-\w+/],
    check: noHostTouched,
    after: (system) => {
      const mounted = releasesOf(system);
      assert.equal(spawnSync("umount", ["-l", mounted]).status, 0);
    },
  },
  {
    name: "a service that dies five seconds after its start is found by the bake",
    release: RELEASES.dying,
    before: rollout({ canaryBakeMs: 7_000 }),
    ends: "rolled-back",
    says: [/web-1: .*its log ends with: out of file handles/],
  },
  {
    name: "a service that answers as the old version does not pass",
    release: RELEASES.claiming,
    before: rollout({ healthTimeoutMs: ANSWERING_MS }),
    ends: "rolled-back",
    says: [/web-1: not healthy after 6000 ms: it answers as version 2\.0\.\d, expected is 3\.0\.2/],
  },
  {
    name: "a service whose health endpoint hangs does not pass",
    release: RELEASES.hanging,
    before: rollout({ healthTimeoutMs: ANSWERING_MS }, { health: { timeoutMs: 500 } }),
    ends: "rolled-back",
    says: [/web-1: not healthy after 6000 ms: no answer within 500 ms/],
  },
  {
    name: "a host that is not ready before it has to be confirmed takes itself back, twice",
    release: RELEASES.late,
    before: rollout({ confirmWithinMs: 1_000 }),
    ends: "rolled-back",
    says: [/web-1: it took the activation back 2 times: not confirmed in time/],
  },
  {
    name: "a request that outlasts the drain's time takes the deployment back and is answered all the same",
    before: rollout({ drainTimeoutMs: 1_500 }),
    when: [
      {
        host: "web-1",
        state: "serving",
        act: (system) => void (slow = [slowRequest(system), slowRequest(system)]),
      },
    ],
    ends: "rolled-back",
    says: [/web-1: 1 requests are still in flight after 1500 ms/],
    async check() {
      assert.deepEqual(await Promise.all(slow), [200, 200]);
    },
  },
  {
    name: "a host whose clock is an hour off is deployed to like any other",
    before: (system) => program(system, "date", 'exec /bin/date -d "+1 hour" "$@"'),
    ends: "succeeded",
    says: [/succeeded/],
    after: (system) => program(system, "date"),
  },
];

let slow: Promise<number>[] = [];

/** One that takes longer than a deployment that has begun takes to its first drain and that drain's end. */
function slowRequest(system: RemoteSystem): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ port: system.port, host: "127.0.0.1", path: "/reports/slow?seconds=10" }, (answer) => {
      answer.resume().on("end", () => resolve(answer.statusCode ?? 0));
    });
    asked.on("error", reject).end();
  });
}

describeFaults("a release that servers do not get on with", FAULTS, async (system) => {
  await packChanged(system, RELEASES.altered, [["main.js", (text) => `${ALTERED}${text}`]]);
  await packChanged(system, RELEASES.dying, [diesAfter(5_000)]);
  await packChanged(system, RELEASES.claiming, [claims("2.0.0")]);
  await packChanged(system, RELEASES.hanging, [HANGS]);
  await packChanged(system, RELEASES.late, [startsAfter(3_000)]);
  const noise = Array.from({ length: 40_000 }, (_, at) => `// ${Math.sin(at)}`).join("\n");
  await packChanged(system, RELEASES.large, [["main.js", (text) => `${text}\n${noise}`]]);
  assert.ok(existsSync(system.environment.releasesDir));
});
