import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { scratch } from "../../operations/checks/testing/fixtures.ts";
import type { ProcessRequest, ProcessRunner } from "../../operations/subprocess/ports.ts";
import { withCurlHome } from "./curl-home.ts";

const REQUEST: ProcessRequest = { argv: ["curl", "x"], cwd: "/", env: { PATH: "/bin" }, deadlineMs: 1_000 };

/** Remembers what was run, and runs nothing. */
function recorder(): { runner: ProcessRunner; ran: ProcessRequest[] } {
  const ran: ProcessRequest[] = [];
  const done = { status: 0, signal: null, ended: null, stdout: "", stderr: "" };
  return { ran, runner: { run: async (request) => (ran.push(request), done) } };
}

test("curl is led to where the configuration leads, and trusts what the configuration trusts", async (t) => {
  const root = scratch(t);
  const [directory, caFile] = [path.join(root, 'cu"rl'), path.join(root, "ca.pem")];
  writeFileSync(caFile, "-- the authority --\n");
  const { runner, ran } = recorder();
  const endpoints = {
    "https://api.example.com": { connect: "127.0.0.1:8443", caFile },
    "http://plain.example.com:8080/": { connect: "10.0.0.1:80" },
  };
  await withCurlHome(runner, { directory, endpoints }).run(REQUEST);
  assert.deepEqual(ran[0]?.env, { CURL_HOME: directory, PATH: "/bin" });
  assert.equal(
    readFileSync(path.join(directory, ".curlrc"), "utf8"),
    `# Written by Sunny: the \`endpoints\` of its configuration.
connect-to = "api.example.com:443:127.0.0.1:8443"
connect-to = "plain.example.com:8080:10.0.0.1:80"
cacert = "${root}/cu\\"rl/ca.pem"
`,
  );
  const trusted = readFileSync(path.join(directory, "ca.pem"), "utf8");
  assert.match(trusted, /^-- the authority --\n/);
  assert.match(trusted, /BEGIN CERTIFICATE/, "what curl trusts anyway stays trusted");
  assert.equal(statSync(directory).mode & 0o777, 0o700);
});

test("an authority that cannot be read keeps the program from being started", async (t) => {
  const { runner, ran } = recorder();
  const endpoints = { "https://api.example.com": { connect: "127.0.0.1:1", caFile: "/nowhere/ca.pem" } };
  const led = withCurlHome(runner, { directory: scratch(t), endpoints });
  await assert.rejects(led.run(REQUEST), { code: "PROGRAM_NOT_STARTED", message: /\/nowhere\/ca\.pem/ });
  assert.deepEqual(ran, []);
});

test("without endpoints nothing is written, and programs run as they would", async (t) => {
  const { runner, ran } = recorder();
  await withCurlHome(runner, { directory: scratch(t), endpoints: {} }).run(REQUEST);
  assert.deepEqual(ran, [REQUEST]);
});
