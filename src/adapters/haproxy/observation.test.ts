import assert from "node:assert/strict";
import { test } from "node:test";
import { adminText } from "../../operations/rollout/server-text.ts";
import { changeCommands, closeCommand, observeCommand } from "./commands.ts";
import { parseSocket } from "./endpoint.ts";
import { merged } from "./merge.ts";
import { countUpgraded, parseObservation } from "./observation.ts";

const STAT =
  "# pxname,svname,qcur,scur,stot,econ,eresp,check_status,check_code,last_chk,hrsp_5xx,check_desc,used_conn_cur,";
const STATE = "# be_id be_name srv_id srv_name srv_op_state srv_admin_state srv_uweight srv_iweight";

/** An answer as HAProxy gives it: parts with a blank line behind each. */
function answer(
  servers: readonly { stat: string; state: string }[],
  info = "Name: HAProxy\nPid: 41\nUptime_sec: 7\n",
): string {
  const stat = servers.map((one) => `be,${one.stat}\n`).join("");
  const state = servers.map((one, at) => `3 be ${at + 1} ${one.state}\n`).join("");
  return `${info}\n${STAT}\n${stat}\n1\n${STATE}\n${state}\n`;
}

test("commands are what the runtime API expects", () => {
  const path = { backend: "be", server: "web-1" };
  assert.equal(observeCommand("be"), "show info;show stat be 4 -1;show servers state be");
  assert.deepEqual(changeCommands(path, { admin: "ready", weightPercent: 10 }), [
    "set server be/web-1 weight 10%",
    "set server be/web-1 state ready",
  ]);
  assert.deepEqual(changeCommands(path, {}), []);
  assert.equal(closeCommand(path), "shutdown sessions server be/web-1");
});

test("a name or weight that would be another command is refused", () => {
  for (const server of ["a b", "a;shutdown", "a\nb", ""]) {
    assert.throws(() => changeCommands({ backend: "be", server }, { admin: "drain" }), TypeError);
  }
  assert.throws(() => changeCommands({ backend: "be", server: "a" }, { weightPercent: 1.5 }), TypeError);
});

test("columns are found by name, what is ordered in the mask, what is in flight in three places", () => {
  const { servers, pid, uptimeS } = parseObservation(
    answer([
      { stat: "web-1,1,2,40,3,1,L7OK,200,,5,Layer7 check passed,9,", state: "web-1 2 8 10 100" },
      { stat: 'web-2,0,0,9,0,0,L4CON,,"Connection refused, really",0,Layer4,0,', state: "web-2 0 0 100 100" },
      { stat: "web-3,0,0,0,0,0,,,,0,,0,", state: "web-3 2 1 0 0" },
      { stat: "web-4,0,0,0,0,0,* L7STS,503,,0,Layer7 wrong status,0,", state: "web-4 2 5 100 100" },
    ]),
  );
  assert.deepEqual([pid, uptimeS], [41, 7]);
  assert.deepEqual(servers[0], {
    name: "web-1",
    admin: "drain",
    up: true,
    check: "L7OK/200",
    weightPercent: 10,
    configuredWeight: 100,
    agent: false,
    sessions: 9,
    upgraded: 0,
    requests: 40,
    failures: 9,
  });
  assert.deepEqual([servers[1]?.up, servers[1]?.check], [false, "L4CON: Connection refused, really"]);
  assert.deepEqual([servers[2]?.admin, servers[2]?.check, servers[2]?.up], ["maint", "no check", true]);
  assert.deepEqual([servers[3]?.admin, servers[3]?.check, servers[3]?.up], ["maint", "L7STS/503", false]);
});

test("an answer that is something else is not taken for an empty backend", () => {
  assert.throws(() => parseObservation("No such proxy.\n"), SyntaxError);
  assert.throws(() => parseObservation("Pid: 4\n\n# pxname,svname,\n\n"), /show servers state/);
});

test("only tunnels of that very server are upgraded connections", () => {
  const session = (backend: string, server: string, state: string): string =>
    `0x55a73c1615e0: [24/Nov/2026:03:07:05] id=0 proto=tcpv4\n  backend=${backend} (id=3)\n  server=${server} (id=1)\n` +
    `  txn=0x1 meth=1 status=101 req.st=MSG_TUNNEL rsp.st=${state} req.f=0xcc\n`;
  const list = [
    session("be", "web-1", "MSG_TUNNEL"),
    session("be", "web-1", "MSG_RPBEFORE"),
    session("be", "web-11", "MSG_TUNNEL"),
    session("other", "web-1", "MSG_TUNNEL"),
  ].join("");
  assert.equal(countUpgraded(list, { backend: "be", server: "web-1" }), 1);
});

test("load balancers that disagree are mixed, and a server is up where all see it up", () => {
  const one = {
    name: "web-1",
    up: true,
    check: "L7OK/200",
    weightPercent: 100,
    configuredWeight: 1,
    agent: false,
    sessions: 2,
    upgraded: 0,
    requests: 5,
    failures: 0,
  };
  const down = { ...one, admin: "drain", up: false, check: "L4CON" } as const;
  const [state] = merged([
    { at: "lb-1", servers: [{ ...one, admin: "ready" }] },
    { at: "lb-2", servers: [down] },
  ]);
  assert.equal(state?.missingAt, undefined);
  assert.deepEqual(
    [state?.admin, state?.up, state?.check, state?.sessions],
    ["mixed", false, "L7OK/200 at lb-1, L4CON at lb-2", 4],
  );
  assert.deepEqual(state?.admins, [
    { at: "lb-1", admin: "ready" },
    { at: "lb-2", admin: "drain" },
  ]);
  assert.equal(adminText(state), "mixed (ready at lb-1, drain at lb-2)");
  const [same] = merged([
    { at: "lb-1", servers: [down] },
    { at: "lb-2", servers: [down] },
  ]);
  assert.deepEqual([same?.admin, same?.admins, same?.check, adminText(same!)], ["drain", undefined, "L4CON", "drain"]);
  const [alone] = merged([
    { at: "lb-1", servers: [{ ...one, admin: "ready" }] },
    { at: "lb-2", servers: [] },
  ]);
  assert.deepEqual([alone?.admin, alone?.up, alone?.check], ["mixed", false, "L7OK/200 at lb-1, missing at lb-2"]);
  assert.deepEqual(alone?.missingAt, ["lb-2"]);
});

test("sockets are files, TCP addresses, or files on a host", () => {
  assert.deepEqual(parseSocket("/run/haproxy/admin.sock"), { kind: "unix", path: "/run/haproxy/admin.sock" });
  assert.deepEqual(parseSocket("tcp:lb-1:9999"), { kind: "tcp", host: "lb-1", port: 9999 });
  assert.deepEqual(parseSocket("tcp:[::1]:9999"), { kind: "tcp", host: "::1", port: 9999 });
  assert.deepEqual(parseSocket("ssh:lb-1:/run/a.sock"), { kind: "ssh", host: "lb-1", path: "/run/a.sock" });
  for (const wrong of ["admin.sock", "tcp:lb-1", "ssh:lb-1:admin.sock", "http://lb"])
    assert.equal(parseSocket(wrong), null);
});
