/** A load balancer that cannot be asked is told with its reason, beside what another one says about the servers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { systemClock } from "../clock.ts";
import type { Sunny } from "../main.ts";
import type { BalancerLook, ServerState } from "../operations/rollout/ports.ts";
import type { CliContext } from "./context.ts";
import type { Configure } from "./configure.ts";
import { createOutput } from "./output.ts";
import { configure as status } from "./status.ts";
import { configure as traffic } from "./traffic.ts";
import { viewModel, type ViewInput } from "./view-model.ts";

const WHY = "ssh:lb-2:/run/haproxy/admin.sock: No such file or directory";
const LB1 = "ssh:lb-1:/run/haproxy/admin.sock";

const web1: ServerState = {
  name: "web-1",
  admin: "drain",
  up: true,
  check: "L7OK/200",
  weightPercent: 50,
  sessions: 2,
  upgraded: 0,
  requests: 9,
  failures: 0,
};

const allRead: BalancerLook = { servers: [], read: [], unread: [] };
const oneDown: BalancerLook = { servers: [web1], read: [LB1], unread: [WHY] };
const allDown: BalancerLook = { servers: [], read: [], unread: [WHY] };
const apart: BalancerLook = {
  servers: [
    {
      ...web1,
      admin: "mixed",
      admins: [
        { at: "lb-1", admin: "ready" },
        { at: "lb-2", admin: "drain" },
      ],
    },
  ],
  read: ["lb-1", "lb-2"],
  unread: [],
};

/** What a verb writes for people, of an environment without runs, and what it fails with. */
async function told(verb: Configure, look: BalancerLook): Promise<{ out: string; error: unknown }> {
  let out = "";
  const write = (text: string): void => void (out += text);
  const sunny = {
    system: { environment: "production", hosts: [{ name: "web-1" }] },
    journal: { read: { runs: () => [], environment: () => null } },
    environment: () => Promise.resolve({ ...look, probes: new Map([["web-1", null]]) }),
  } as unknown as Sunny;
  const context = {
    output: createOutput({ json: false, stdout: { write }, stderr: { write }, clock: systemClock }),
    sunny: () => Promise.resolve(sunny),
    exit: () => {},
  } as unknown as CliContext;
  const command = new Command();
  verb(command, context);
  const error: unknown = await command.parseAsync([], { from: "user" }).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return { out, error };
}

test("the status says that the traffic is unknown, and why", async () => {
  const { out } = await told(status, allDown);
  assert.match(out, /web-1 +no answer +traffic unknown\n/);
  assert.ok(out.includes(`the load balancer cannot be read: ${WHY}\n`), out);
  assert.match((await told(status, allRead)).out, /web-1 +no answer +not behind the load balancer\n/);
});

test("the status shows what one load balancer says when another one cannot be read", async () => {
  const { out } = await told(status, oneDown);
  assert.match(out, /web-1 +no answer +drain, weight 50 %, up\n/);
  assert.ok(out.includes(`a load balancer cannot be read: ${WHY}\n`), out);
  assert.ok(out.includes(`the servers are shown as ${LB1} has them\n`), out);
});

test("a server that load balancers disagree about is shown with what each of them has", async () => {
  const said = "mixed (ready at lb-1, drain at lb-2)";
  assert.ok((await told(status, apart)).out.includes(`${said}, weight 50 %, up\n`));
  const { out, error } = await told(traffic, apart);
  assert.ok(out.includes(`web-1  ${said}  weight  50 %`), out);
  assert.equal(error, null);
});

test("the traffic is refused with the reason, after what another load balancer says", async () => {
  const nothing = await told(traffic, allDown);
  assert.equal(nothing.out, "");
  const { out, error } = await told(traffic, oneDown);
  assert.match(out, /^web-1 {2}drain +weight {2}50 % .* 9 requests, 0 failed {2}no answer\n$/);
  for (const failure of [nothing.error, error]) {
    const { code, message } = failure as { code: string; message: string };
    assert.equal(code, "LOAD_BALANCER_UNREACHABLE");
    assert.ok(message.includes(WHY), message);
  }
  assert.ok(String(error).includes(`the servers are shown as ${LB1} has them`));
});

test("whoever watches a deployment is told which load balancer cannot be read, while it goes on", () => {
  const run = { id: "d-1", state: "running", createdAt: 0, endedAt: null, question: null, reason: null, output: null };
  const input = {
    run,
    plan: { kind: "deploy", gates: [], phases: [], rules: [], system: { hosts: [{ name: "web-1" }] } },
    progress: null,
    times: { of: () => null, lastAt: () => null, sleeping: () => null, waitingUntil: () => null },
    turns: { of: () => null, busy: () => [], baking: () => null },
    environment: { ...oneDown, at: 0, probes: new Map(), versions: new Map() },
    monitor: null,
    log: [],
    now: 0,
  } as unknown as ViewInput;
  const { problems, hosts } = viewModel(input);
  assert.deepEqual(problems, [`a load balancer cannot be read: ${WHY}`, `the servers are shown as ${LB1} has them`]);
  assert.equal(hosts[0]?.state, "draining");
  assert.deepEqual(viewModel({ ...input, run: { ...input.run, endedAt: 1 } }).problems, []);
});
