import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { RetryableError, TerminalError } from "../../engine/context.ts";
import type { StepScope } from "../../engine/context.ts";
import { haproxyBalancer } from "./balancer.ts";
import type { HaproxyEndpoint } from "./endpoint.ts";

const OBSERVED = [
  "Name: HAProxy\nPid: 41\nUptime_sec: 7\n",
  "# pxname,svname,qcur,scur,stot,econ,eresp,check_status,check_code,last_chk,hrsp_5xx,check_desc,used_conn_cur,",
  "be,web-1,0,0,0,0,0,L7OK,200,,0,Layer7 check passed,0,\n",
  "1\n# be_id be_name srv_id srv_name srv_op_state srv_admin_state srv_uweight srv_iweight",
  "3 be 1 web-1 2 0 100 100\n\n",
].join("\n");

const scope: StepScope = {
  signal: new AbortController().signal,
  idempotencyKey: "k",
  fence: { token: 1, attempt: 1 },
  log: () => {},
};

test("a load balancer that obeys anybody is told nothing that one with a fence refused", async () => {
  const told: string[] = [];
  const endpoint = (name: string, target: HaproxyEndpoint["target"], owner: boolean): HaproxyEndpoint => ({
    name,
    target,
    pollMs: 1,
    ask: async () => OBSERVED,
    async order(commands) {
      told.push(...commands.map((command) => `${name}: ${command}`));
      if (!owner) throw new TerminalError("LOAD_BALANCER_FENCED", `${name}: belongs to somebody else`);
      return commands.map(() => "\n");
    },
  });
  const balancerOf = (owner: boolean) =>
    haproxyBalancer({
      backend: "be",
      endpoints: [endpoint("tcp:lb-2:9000", "bounded", true), endpoint("ssh:lb-1:/s", "fenced", owner)],
      clock: systemClock,
    });
  const drain = "set server be/web-1 state drain";
  const close = "shutdown sessions server be/web-1";
  await assert.rejects(balancerOf(false).set("web-1", { admin: "drain" }, scope), { code: "LOAD_BALANCER_FENCED" });
  await assert.rejects(balancerOf(false).closeSessions("web-1", scope), { code: "LOAD_BALANCER_FENCED" });
  assert.deepEqual(told.splice(0), [`ssh:lb-1:/s: ${drain}`, `ssh:lb-1:/s: ${close}`]);
  await balancerOf(true).set("web-1", { admin: "drain" }, scope);
  assert.deepEqual(told, [`ssh:lb-1:/s: ${drain}`, `tcp:lb-2:9000: ${drain}`]);
});

test("of several load balancers the one that answers is shown, and the one that does not is named with its reason", async () => {
  const endpoint = (name: string, ask: HaproxyEndpoint["ask"]): HaproxyEndpoint => {
    const order = (): Promise<never> => Promise.reject(new Error("nothing is ordered here"));
    return { name, target: "bounded", pollMs: 1, ask, order };
  };
  const silent = new RetryableError(
    "LOAD_BALANCER_UNREACHABLE",
    "HAProxy does not answer on tcp:lb-2:9000: ECONNREFUSED",
  );
  const balancer = haproxyBalancer({
    backend: "be",
    endpoints: [
      endpoint("tcp:lb-2:9000", () => Promise.reject(silent)),
      endpoint("tcp:lb-1:9000", async () => OBSERVED),
      endpoint("tcp:lb-3:9000", async () => "No such proxy.\n"),
    ],
    clock: systemClock,
  });
  const { servers, read, unread } = await balancer.look();
  assert.deepEqual(
    servers.map(({ name, admin, up }) => [name, admin, up]),
    [["web-1", "ready", true]],
  );
  assert.deepEqual(read, ["tcp:lb-1:9000"]);
  assert.equal(unread[0], silent.message);
  assert.match(unread[1] ?? "", /^HAProxy at tcp:lb-3:9000: No such proxy\./);
  assert.equal(unread.length, 2);
  await assert.rejects(balancer.read(), silent);
});

test("a server that is put back into traffic while its last requests are waited for is taken out again, and that is said", async () => {
  const told: string[] = [];
  // What HAProxy has of the server: ordered out, put back by somebody else, and busy until it was ordered out once more.
  let state = { mask: 0, sessions: 1 };
  const endpoint: HaproxyEndpoint = {
    name: "/lb.sock",
    target: "bounded",
    pollMs: 1,
    async ask(command) {
      if (command.startsWith("show sess")) return "";
      const { mask, sessions } = state;
      if (told.length > 1) state = { ...state, sessions: 0 };
      return OBSERVED.replace("be,web-1,0,0,", `be,web-1,0,${sessions},`).replace(
        "web-1 2 0 100",
        `web-1 2 ${mask} 100`,
      );
    },
    async order(commands) {
      told.push(...commands);
      state = { ...state, mask: 8 };
      return commands.map(() => "\n");
    },
  };
  const balancer = haproxyBalancer({ backend: "be", endpoints: [endpoint], clock: systemClock });
  const said: string[] = [];
  const logged = { ...scope, log: (text: string) => void said.push(text) };
  await balancer.set("web-1", { admin: "drain" }, logged);
  state = { ...state, mask: 0 };
  assert.deepEqual(await balancer.waitIdle("web-1", 10_000, logged), { sessions: 0, upgraded: 0 });
  const drain = "set server be/web-1 state drain";
  assert.deepEqual(told, [drain, drain]);
  assert.deepEqual(said, ["web-1 was put back into traffic by somebody else; it is taken out again\n"]);
});
