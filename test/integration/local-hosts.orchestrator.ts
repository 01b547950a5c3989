import { hostFleet } from "../../src/adapters/host/fleet.ts";
import { localTransport } from "../../src/adapters/local/local-transport.ts";
import { localStarter } from "../../src/adapters/local/starter.ts";
import { systemClock } from "../../src/clock.ts";
import type { System } from "../../src/system/schema.ts";
import { scopeOf } from "./local-hosts.support.ts";

/* Activates a release and then hangs, so that a test can kill it: `{ system, host, id }` as JSON in the first argument. */

const order = JSON.parse(process.argv[2] ?? "") as { system: System; host: string; id: string };
const fleet = hostFleet({
  system: order.system,
  transport: () => localTransport(systemClock),
  authority: "authority-1",
  starter: localStarter(),
  releases: { find: async () => [] },
  clock: systemClock,
});
const done = await fleet.activate(
  order.host,
  order.id,
  { turn: "orphan", confirmWithinMs: 2_000 },
  scopeOf(1, "orphan"),
);
process.stdout.write(`${done.state}\n`);
systemClock.timer(60_000, () => {});
