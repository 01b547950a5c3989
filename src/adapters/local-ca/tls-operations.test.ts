import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync, writeFileSync, chmodSync } from "node:fs";
import path from "node:path";
import type { Server } from "node:tls";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../clock.ts";
import type { StepScope } from "../../engine/context.ts";
import { DirectContext } from "../../operations/checks/testing/direct-context.ts";
import {
  failureOf,
  named,
  runOperation,
  scratch,
  testCall,
  testSystem,
} from "../../operations/checks/testing/fixtures.ts";
import type { Operation } from "../../operation.ts";
import { tlsOperations } from "../../operations/tls/operations.ts";
import { tlsProbe } from "../http/tls-probe.ts";
import type { System, SystemConfig } from "../../system/schema.ts";
import { issueFrom, makeAuthority } from "./authority.ts";
import { certificateFiles } from "./certificate-files.ts";
import { certificateWorld, tlsServer, type CertificateWorld } from "./testing.ts";
import { localCaIssuer } from "./issuer.ts";

interface World extends CertificateWorld {
  readonly system: System;
  readonly server: Server;
  readonly verify: Operation;
  readonly renew: Operation;
  /** What reloading does; the default reads the files anew. */
  reload: () => void;
}

async function world(t: TestContext): Promise<World> {
  const root = scratch(t);
  const certificates = await certificateWorld(path.join(root, "tls"));
  const { spec } = certificates;
  const material = (): { cert: Buffer; key: Buffer } => ({
    cert: readFileSync(spec.certFile),
    key: readFileSync(spec.keyFile),
  });
  const { server, connect } = await tlsServer(t, material());
  const config: Partial<SystemConfig> = {
    certificates: [spec],
    endpoints: { "https://api.sunnypayments.com": { connect, caFile: certificates.caFile } },
  };
  const made = {
    ...certificates,
    system: testSystem(root, config),
    server,
    reload: () => server.setSecureContext(material()),
  };
  const operations = tlsOperations({
    clock: systemClock,
    files: certificateFiles(),
    probe: tlsProbe(systemClock),
    issuerOf: ({ issuer }) => (issuer === undefined ? null : localCaIssuer({ ...issuer, clock: systemClock })),
    reloader: { reload: async () => made.reload() },
  });
  return Object.assign(made, { verify: named(operations, "verify-ssl"), renew: named(operations, "renew-ssl") });
}

test("a valid certificate that is served passes, with what was looked at", async (t) => {
  const { system, verify } = await world(t);
  const report = await runOperation(verify, { system });
  assert.equal(report.summary, "Valid, trusted and served: api");
  const messages = report.findings?.map(({ message }) => message) ?? [];
  assert.match(messages[0] ?? "", /valid until \d{4}-\d\d-\d\d, (89|90) days/);
  assert.match(messages[3] ?? "", /trusted through CN=Test authority/);
  assert.match(messages[4] ?? "", /is what api\.sunnypayments\.com \(127\.0\.0\.1:\d+\) serves, over TLSv1\.3/);
});

const broken: [string, (made: World) => Promise<void> | void, RegExp][] = [
  [
    "an expired certificate",
    async (made) => void (await made.issue({ days: -1 })),
    /certificate api: expired on \d{4}-\d\d-\d\d/,
  ],
  [
    "one that expires too soon",
    async (made) => void (await made.issue({ days: 3 })),
    /certificate api: expires in [23] days, on .*; at least 14 are asked for/,
  ],
  [
    "one for another name",
    async (made) => void (await made.issue({ names: ["other.test"] })),
    /is not for api\.sunnypayments\.com; it names DNS:other\.test/,
  ],
  [
    "one of an authority that nobody trusts",
    async (made) =>
      void (await made.issue({ from: await makeAuthority({ name: "Strangers", now: Date.now(), days: 9 }) })),
    /leads to no trusted authority: nobody who is trusted issued CN=api\.sunnypayments\.com/,
  ],
  [
    "a key of another certificate",
    async (made) => {
      const other = await issueFrom(made.authority, { names: ["x.test"], now: Date.now(), days: 9 });
      writeFileSync(made.spec.keyFile, other.key.reveal());
    },
    /the key in .*api\.key is not that of the certificate/,
  ],
  ["a missing key", (made) => rmSync(made.spec.keyFile), /its key .*api\.key is missing/],
  [
    "a key that others can read",
    (made) => chmodSync(made.spec.keyFile, 0o644),
    /others can read its key .*: mode 644, 600 is asked for/,
  ],
  [
    "a file that is no certificate",
    (made) => writeFileSync(made.spec.certFile, "hello"),
    /cannot be read from .*api\.pem: it holds no certificate/,
  ],
  ["a missing certificate", (made) => rmSync(made.spec.certFile), /cannot be read from .*api\.pem: ENOENT/],
];

for (const [what, breakIt, message] of broken) {
  test(`verify-ssl finds ${what} and names it`, async (t) => {
    const made = await world(t);
    await breakIt(made);
    const failure = await failureOf(made.verify, { system: made.system });
    assert.equal(failure.code, "CHECK_FAILED");
    assert.match(failure.message, message);
  });
}

test("a certificate that is not the one served is named", async (t) => {
  const made = await world(t);
  await made.issue();
  const failure = await failureOf(made.verify, { system: made.system });
  assert.match(
    failure.message,
    /^1 of 5 checks failed: certificate api: is not what api\.sunnypayments\.com \(.*\) serves/,
  );
});

test("a server that is not there is named", async (t) => {
  const made = await world(t);
  await new Promise((resolve) => made.server.close(resolve));
  assert.match(
    (await failureOf(made.verify, { system: made.system })).message,
    /No TLS handshake with 127\.0\.0\.1:\d+ as api\.sunnypayments\.com: connect ECONNREFUSED/,
  );
});

test("a configuration without certificates does not pass for one whose certificates are fine", async (t) => {
  const { system, verify } = await world(t);
  const failure = await failureOf(verify, { system: { ...system, certificates: [] } });
  assert.match(failure.message, /none are configured, so none were checked/);
});

test("renewing replaces what is due, keeps modes, and the new one is served", async (t) => {
  const made = await world(t);
  await made.issue({ days: 3 });
  const before = readFileSync(made.spec.certFile, "utf8");
  const report = await runOperation(made.renew, { system: made.system });
  assert.match(report.summary, /^Renewed and served: api \(expires in [23] days/);
  assert.notEqual(readFileSync(made.spec.certFile, "utf8"), before);
  assert.equal(statSync(made.spec.keyFile).mode & 0o777, 0o600);
  await runOperation(made.verify, { system: made.system });
  assert.ok(!JSON.stringify(report).includes("PRIVATE"));
});

test("a certificate that is not due is left alone, unless it is forced", async (t) => {
  const { renew, system, spec } = await world(t);
  const before = readFileSync(spec.certFile, "utf8");
  assert.equal((await runOperation(renew, { system })).summary, "Not needed: no certificate is due");
  assert.equal(readFileSync(spec.certFile, "utf8"), before);
  assert.match(
    (await runOperation(renew, { system, args: { force: true } })).summary,
    /Renewed and served: api \(asked for\)/,
  );
});

test("a certificate that is in its files and not served is served, without a new one", async (t) => {
  const made = await world(t);
  const files = readFileSync(made.spec.certFile, "utf8");
  await made.issue({ days: 30 });
  assert.notEqual(readFileSync(made.spec.certFile, "utf8"), files);
  const inFiles = readFileSync(made.spec.certFile, "utf8");
  const { summary } = await runOperation(made.renew, { system: made.system });
  assert.equal(summary, "Renewed and served: api (it was not what is served)");
  assert.equal(readFileSync(made.spec.certFile, "utf8"), inFiles);
  await runOperation(made.verify, { system: made.system });
});

test("a renewal that is not served puts the old files back and says so", async (t) => {
  const made = await world(t);
  await made.issue({ days: 3 });
  made.server.setSecureContext({ cert: readFileSync(made.spec.certFile), key: readFileSync(made.spec.keyFile) });
  const before = [made.spec.certFile, made.spec.keyFile].map((file) => readFileSync(file, "utf8"));
  made.reload = () => {};
  const failure = await failureOf(made.renew, { system: made.system });
  assert.match(
    failure.message,
    /api was not renewed, the certificate before is back in place: .*is not what api\.sunnypayments\.com/,
  );
  assert.deepEqual(
    [made.spec.certFile, made.spec.keyFile].map((file) => readFileSync(file, "utf8")),
    before,
  );
});

test("without an issuer, and with an authority that cannot issue, nothing is changed", async (t) => {
  const made = await world(t);
  await made.issue({ days: 3 });
  const before = readFileSync(made.spec.certFile, "utf8");
  const { issuer: _, ...spec } = made.spec;
  const none = await failureOf(made.renew, { system: { ...made.system, certificates: [spec] } });
  assert.match(none.message, /is due and has no issuer in the configuration; nothing was changed/);
  const other = await makeAuthority({ name: "Other", now: Date.now(), days: 9 });
  writeFileSync(made.caKeyFile, other.key.export({ format: "pem", type: "pkcs8" }));
  const wrong = await failureOf(made.renew, { system: made.system });
  assert.equal(wrong.code, "CERTIFICATE_ISSUE_FAILED");
  assert.match(
    wrong.message,
    /not renewed, nothing was changed: .*key and certificate of the authority do not belong together/,
  );
  assert.equal(readFileSync(made.spec.certFile, "utf8"), before);
});

test("the way back returns to the files from before the run", async (t) => {
  const made = await world(t);
  await made.issue({ days: 3 });
  const before = readFileSync(made.spec.certFile, "utf8");
  await runOperation(made.renew, { system: made.system });
  assert.ok(made.renew.wayBack?.kind === "revert");
  const run = { system: made.system, mode: "rollback" as const };
  const report = await made.renew.wayBack.run(new DirectContext(systemClock), testCall(made.renew, run));
  assert.equal(report.summary, "Returned to the files before: api");
  assert.equal(readFileSync(made.spec.certFile, "utf8"), before);
});

test("another run takes back what the run replaced that it is told of, and nothing else", async (t) => {
  const made = await world(t);
  await made.issue({ days: 3 });
  const before = readFileSync(made.spec.certFile, "utf8");
  await runOperation(made.renew, { system: made.system });
  const after = readFileSync(made.spec.certFile, "utf8");
  const { wayBack } = made.renew;
  assert.ok(wayBack?.kind === "revert");
  const call = testCall(made.renew, { system: made.system, mode: "rollback" });
  const other = (): DirectContext => Object.assign(new DirectContext(systemClock), { runId: "run-2" });
  assert.equal((await wayBack.run(other(), call)).summary, "Not needed: no certificate was replaced");
  assert.equal(readFileSync(made.spec.certFile, "utf8"), after);
  const report = await wayBack.run(other(), { ...call, actedIn: "run-1" });
  assert.equal(report.summary, "Returned to the files before: api");
  assert.equal(readFileSync(made.spec.certFile, "utf8"), before);
});

test("who is not responsible any more neither replaces a certificate nor puts one back", async (t) => {
  const made = await world(t);
  const files = certificateFiles();
  const context = new DirectContext(systemClock);
  const both = (): string[] => [made.spec.certFile, made.spec.keyFile].map((file) => readFileSync(file, "utf8"));
  const superseded = (name: string): StepScope => ({
    ...context.scope(name),
    requireLease: () => {
      throw new Error("superseded");
    },
  });
  const issued = await issueFrom(made.authority, { names: made.spec.hosts, now: Date.now(), days: 90 });
  const old = both();
  await assert.rejects(files.replace(made.spec, issued, "turn", superseded("replace")), /superseded/);
  assert.deepEqual(both(), old);
  assert.equal(await files.replacedBy(made.spec, "turn"), false);
  await files.replace(made.spec, issued, "turn", context.scope("replace"));
  const renewed = both();
  assert.notDeepEqual(renewed, old);
  await assert.rejects(files.restore(made.spec, "turn", superseded("restore")), /superseded/);
  assert.deepEqual(both(), renewed);
});

test("an interrupted replacement is finished with the old pair still kept", async (t) => {
  const made = await world(t);
  const files = certificateFiles();
  const context = new DirectContext(systemClock);
  const old = [made.spec.certFile, made.spec.keyFile].map((file) => readFileSync(file, "utf8"));
  const first = await issueFrom(made.authority, { names: made.spec.hosts, now: Date.now(), days: 90 });
  await files.replace(made.spec, first, "turn", context.scope("replace"));
  // As if it had died between the two renames: new key, old certificate.
  writeFileSync(made.spec.certFile, old[0] ?? "");
  assert.equal(await files.replacedBy(made.spec, "turn"), false);
  const second = await issueFrom(made.authority, { names: made.spec.hosts, now: Date.now(), days: 90 });
  await files.replace(made.spec, second, "turn", context.scope("replace", 2));
  assert.equal(await files.replacedBy(made.spec, "turn"), true);
  assert.equal(await files.restore(made.spec, "turn", context.scope("restore")), true);
  assert.deepEqual(
    [made.spec.certFile, made.spec.keyFile].map((file) => readFileSync(file, "utf8")),
    old,
  );
});
