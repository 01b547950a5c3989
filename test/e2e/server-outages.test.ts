/** Hosts, connections and the load balancer fail while a deployment to servers is under way. */
import assert from "node:assert/strict";
import { readFileSync, renameSync } from "node:fs";
import path from "node:path";
import { type Fault, type Moment, describeFaults } from "../support/remote/faults.ts";
import { powerOff, powerOn, reboot } from "../support/remote/power.ts";
import { packChanged, startsAfter } from "../support/remote/releases.ts";
import type { RemoteSystem } from "../support/remote/remote-system.ts";

const activations = (system: RemoteSystem, host: string): string =>
  readFileSync(path.join(system.host(host).root, ".sunny", "activations"), "utf8");

const cut = (host: string, state: string): Moment => ({
  host,
  state,
  act: (system) => system.host(host).sshd.cut(),
});

const FAULTS: readonly Fault[] = [
  {
    // Before the release arrives, and in every part of a turn.
    name: "connections that are cut in each phase are made again",
    when: [
      cut("web-2", "serving"),
      cut("web-1", "draining"),
      cut("web-1", "activating"),
      cut("web-1", "confirming"),
      cut("web-2", "draining"),
      cut("web-2", "activating"),
    ],
    ends: "succeeded",
    says: [/succeeded/],
  },
  {
    name: "a load balancer that is reloaded in the middle is told everything again",
    when: [{ host: "web-1", state: "activating", act: (system) => system.haproxy.reload() }],
    ends: "succeeded",
    says: [/succeeded/],
  },
  {
    name: "a host that is rebooted before it was confirmed goes back and is switched once more",
    release: "3.0.0",
    when: [{ host: "web-2", state: "confirming", act: (system) => reboot(system.host("web-2")) }],
    ends: "succeeded",
    says: [/succeeded/],
    check(system) {
      const log = activations(system, "web-2");
      assert.match(log, /reverted \S+turn-1 \S+ \S+ rebooted before it was confirmed\n/);
      assert.match(log, /confirmed \S+turn-2 3\.0\.0-/);
    },
  },
  {
    name: "a host that goes down in its turn is left out of traffic and named, and the others go back",
    when: [{ host: "web-2", state: "activating", act: (system) => powerOff(system.host("web-2")) }],
    ends: "held",
    says: [/is held: The rollback stands still at "Rollback": not every host is back on \S+: web-2: /],
    versions: (old) => [old, "no answer"],
    servers: { "web-1": "ready 100 up", "web-2": "drain 100 down" },
    after: (system) => powerOn(system.host("web-2")),
  },
  {
    name: "a host that goes down after its turn is left out of traffic and named",
    when: [{ host: "web-2", state: "draining", act: (system) => powerOff(system.host("web-1")) }],
    ends: "held",
    says: [/is held: The rollback stands still at "Rollback": not every host is back on \S+: web-1: /],
    versions: (old) => ["no answer", old],
    servers: { "web-1": "drain 100 down", "web-2": "ready 100 up" },
    after: (system) => powerOn(system.host("web-1")),
  },
  {
    name: "a load balancer whose socket goes away holds the deployment, with the socket named",
    when: [
      {
        host: "web-1",
        state: "activating",
        act: ({ haproxy }) => renameSync(haproxy.socket, `${haproxy.socket}.aside`),
      },
    ],
    ends: "held",
    says: [/is held: The rollback stands still at "Rollback": .*lb-1: .*admin\.sock.*No such file/],
    versions: (old, fresh) => [fresh, old],
    servers: null,
    after: ({ haproxy }) => renameSync(`${haproxy.socket}.aside`, haproxy.socket),
  },
];

describeFaults("servers that fail in the middle of a deployment", FAULTS, (system) =>
  packChanged(system, "3.0.0", [startsAfter(1_500)]),
);
