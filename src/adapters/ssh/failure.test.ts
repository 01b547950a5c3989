import assert from "node:assert/strict";
import { test } from "node:test";
import { TerminalError } from "../../engine/context.ts";
import { failureError, failureOf, shownKey } from "./failure.ts";

const cases: readonly (readonly [string, ReturnType<typeof failureOf>])[] = [
  [
    "No ED25519 host key is known for [h]:22 and you have requested strict checking.\r\nHost key verification failed.\r\n",
    "host-key-unknown",
  ],
  [
    "@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.",
    "host-key-changed",
  ],
  ["root@h: Permission denied (publickey).\r\n", "refused"],
  ["kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 10.0.0.1 port 22", "dropped"],
  ["kex_exchange_identification: read: Connection reset by peer", "dropped"],
  // What ssh says when the connection breaks off in the key exchange, and after the login.
  ["ssh_dispatch_run_fatal: Connection to 10.0.0.1 port 22: Broken pipe\r\n", "dropped"],
  ["Connection to 10.0.0.1 closed by remote host.\r\n", "dropped"],
  ["client_loop: send disconnect: Broken pipe\r\n", "dropped"],
  ["ssh: connect to host h port 22: Connection refused", "unreachable"],
  ["ssh: Could not resolve hostname h: Name or service not known", "unreachable"],
  [
    "/home/u/.ssh/config: line 3: Bad configuration option: foo\r\nterminating, 1 bad configuration options",
    "misconfigured",
  ],
  ["", "unreachable"],
];

for (const [stderr, failure] of cases) {
  test(`${JSON.stringify(stderr.slice(0, 50))} is ${failure}`, () => assert.equal(failureOf(stderr), failure));
}

test("the error names host, file, fingerprint and remedy, and says whether to try again", () => {
  const target = { address: "10.0.0.7", port: 22, knownHostsFile: "/etc/sunny/known_hosts" };
  const key = shownKey(
    "debug1: Server host key: ssh-ed25519 SHA256:gate\ndebug1: Server host key: ssh-rsa SHA256:host\n",
  );
  const error = failureError("web-1", target, "host-key-changed", "Host key verification failed.", key);
  assert.ok(error instanceof TerminalError);
  assert.equal(error.code, "SSH_HOST_KEY_CHANGED");
  assert.match(
    error.message,
    /^web-1: the key of .* is not the one in \/etc\/sunny\/known_hosts; it shows ssh-rsa SHA256:host\./,
  );
  assert.match(error.message, /ssh-keygen -R/);
  const down = failureError("web-1", target, "unreachable", "ssh: connect to host 10.0.0.7 port 22: timed out", null);
  assert.equal(down.name, "RetryableError");
  assert.equal(
    down.message,
    "web-1: cannot connect to 10.0.0.7 port 22: ssh: connect to host 10.0.0.7 port 22: timed out",
  );
});

test("a key that was revoked is not to be replaced in known_hosts, since the host has to get another one", () => {
  const target = { address: "10.0.0.7", port: 2212, knownHostsFile: "/etc/sunny/known_hosts" };
  const stderr =
    "@       WARNING: REVOKED HOST KEY DETECTED!               @\r\n" +
    "ED25519 host key for [10.0.0.7]:2212 was revoked and you have requested strict checking.\r\n" +
    "Host key verification failed.\r\n";
  const { message } = failureError("web-1", target, failureOf(stderr), stderr, null);
  assert.match(
    message,
    /^web-1: the key of \[10\.0\.0\.7\]:2212 is marked as revoked in \/etc\/sunny\/known_hosts: .* Give the host a new key/,
  );
  assert.doesNotMatch(message, /ssh-keygen -R/);
});

test("an agent with too many keys is told how the right one is named", () => {
  const stderr = "Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures\r\n";
  const { message } = failureError("web-1", { address: "10.0.0.7", port: 22 }, failureOf(stderr), stderr, null);
  assert.match(
    message,
    /does not let the user in: .*Too many authentication failures\. .* identityFile.* ssh -v -p 22 /,
  );
});

test("a certificate that does not count is told as such, since no key has to be added", () => {
  const target = { address: "10.0.0.7", port: 2212, knownHostsFile: "/etc/sunny/known_hosts" };
  const stderr =
    "Certificate invalid: expired\r\n" +
    "No ED25519 host key is known for [10.0.0.7]:2212 and you have requested strict checking.\r\n" +
    "Host key verification failed.\r\n";
  const error = failureError("web-1", target, failureOf(stderr), stderr, null);
  assert.equal((error as TerminalError).code, "SSH_HOST_KEY_UNKNOWN");
  assert.equal(
    error.message,
    "web-1: the certificate that [10.0.0.7]:2212 shows does not count: expired. Have the authority that " +
      "/etc/sunny/known_hosts names sign the host's key anew, for 10.0.0.7",
  );
});

test("whoever does not let us in is named: the host, or the bastion on the way to it", () => {
  const target = { address: "10.0.0.7", port: 22, user: "deploy", jump: "ops@gate.internal:2222" };
  const behind =
    "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n";
  const gate = `ops@gate.internal: Permission denied (publickey).\r\n${behind}`;
  const atGate = failureError("web-1", target, failureOf(gate), gate, null);
  assert.match(
    atGate.message,
    /^web-1: the bastion ops@gate\.internal:2222 does not let us in: Permission denied \(publickey\)\. Look/,
  );
  const host = "deploy@10.0.0.7: Permission denied (publickey).\r\n";
  const atHost = failureError("web-1", target, failureOf(host), host, null);
  assert.match(
    atHost.message,
    /^web-1: 10\.0\.0\.7 port 22 does not let deploy in: Permission denied \(publickey\)\. /,
  );
});

test("a bastion that is down is named with its own words, and one that does not get further as well", () => {
  const target = { address: "10.0.0.7", port: 22, jump: "ops@gate.internal:2222" };
  const echo =
    "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n";
  const messageOf = (words: string): string => {
    const stderr = `${words}\r\n${echo}`;
    return failureError("web-1", target, failureOf(stderr), stderr, null).message;
  };
  assert.equal(
    messageOf("ssh: connect to host gate.internal port 2222: Connection refused"),
    "web-1: cannot connect to 10.0.0.7 port 22 through ops@gate.internal:2222: ssh: connect to host gate.internal port 2222: Connection refused",
  );
  assert.equal(
    messageOf("stdio forwarding failed"),
    "web-1: cannot connect to 10.0.0.7 port 22 through ops@gate.internal:2222, which cannot connect to it from there: stdio forwarding failed",
  );
});
