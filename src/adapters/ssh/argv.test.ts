import assert from "node:assert/strict";
import { test } from "node:test";
import { connectArgv, exitArgv, keyArgv, processesOf, shareArgv } from "./argv.ts";
import type { SshTarget } from "./argv.ts";

const times = { connectTimeoutMs: 10_000, aliveIntervalMs: 15_000 };
const plain: SshTarget = { address: "web-1.example", port: 22 };
const line = (argv: readonly string[]): string => argv.join(" ");

const SAFE = [
  "-o UpdateHostKeys=no -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=3 -o LogLevel=ERROR",
  "-o ForwardAgent=no -o ForwardX11=no -o ClearAllForwardings=yes -o PermitLocalCommand=no -o RemoteCommand=none",
  "-o SendEnv=-*",
].join(" ");

test("a shared connection asks nothing, takes no unknown key and leaves the rest to the user's configuration", () => {
  assert.equal(
    line(connectArgv(plain, { kind: "shared", socket: "/tmp/s/abc" }, times, "cmd")),
    `-T -o BatchMode=yes -o StrictHostKeyChecking=yes ${SAFE} -o ControlMaster=yes -o ControlPath=/tmp/s/abc ` +
      "-o ControlPersist=no -p 22 -- web-1.example cmd",
  );
});

test("a pinned file is the only one that counts, and a given key the only one that is offered", () => {
  const target = {
    ...plain,
    port: 2222,
    user: "deploy",
    knownHostsFile: "/etc/sunny/known hosts",
    identityFile: "/k%1",
  };
  assert.equal(
    line(connectArgv(target, { kind: "fresh" }, times, "cmd")),
    '-T -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile="/etc/sunny/known hosts" ' +
      "-o GlobalKnownHostsFile=/dev/null -o VerifyHostKeyDNS=no -o KnownHostsCommand=none " +
      `${SAFE} -o IdentityFile=/k%%1 -o IdentitiesOnly=yes -o ControlMaster=no -o ControlPath=none ` +
      "-p 2222 -l deploy -- web-1.example cmd",
  );
});

test("bastions are checked as strictly as the host, one within the other", () => {
  const target = { ...plain, jump: "gate-1,ops@gate-2:2200", knownHostsFile: "/pins" };
  const argv = connectArgv(target, { kind: "fresh" }, times, "cmd");
  const proxy = argv.find((word) => word.startsWith("ProxyCommand=")) ?? "";
  assert.match(proxy, /^ProxyCommand=ssh -T -W '\[%h\]:%p' -o BatchMode=yes -o StrictHostKeyChecking=yes/);
  assert.match(proxy, /-o UserKnownHostsFile=\/pins .* -p 2200 -l ops -- gate-2$/);
  const inner = proxy.slice(20);
  assert.match(inner, /ProxyCommand=ssh -T -W /);
  assert.match(inner, /\[%%h\]:%%p/, "the inner tokens are for the inner ssh");
  assert.ok(!inner.includes("-p 22 "), "without a port the user's configuration decides");
  assert.equal(processesOf(target), 3);
  assert.equal(processesOf(plain), 1);
});

test("a script over an open connection never makes another one", () => {
  assert.equal(
    line(shareArgv("/tmp/s/abc", "cmd")),
    "-F none -T -o ControlMaster=no -o ControlPath=/tmp/s/abc -o ProxyCommand=false -o LogLevel=ERROR -- shared cmd",
  );
  assert.equal(line(exitArgv("/tmp/s/abc")), "-F none -O exit -o ControlPath=/tmp/s/abc -- shared");
});

test("asking for the key that a host shows runs nothing there", () => {
  const argv = keyArgv(plain, times);
  assert.deepEqual(argv.slice(0, 2), ["-T", "-v"]);
  assert.ok(argv.includes("LogLevel=DEBUG1") && argv.includes("StrictHostKeyChecking=yes"));
  assert.equal(argv.at(-1), "exit");
});

test("an address that looks like an option is still an address", () => {
  const argv = connectArgv({ address: "-oProxyCommand=evil", port: 22 }, { kind: "fresh" }, times, "cmd");
  assert.deepEqual(argv.slice(-3), ["--", "-oProxyCommand=evil", "cmd"]);
});
