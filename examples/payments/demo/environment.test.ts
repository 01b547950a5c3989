import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import https from "node:https";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { sqliteSchema } from "../../../src/adapters/sqlite/schema-store.ts";
import { parseServiceEnv } from "../../../src/adapters/local/supervised-service.ts";
import { parseVerifier } from "../../../src/audit/note.ts";
import { systemClock } from "../../../src/clock.ts";
import { openRelease } from "../../../src/release/verify.ts";
import { loadSystem } from "../../../src/system/load.ts";
import { startLoad } from "../load/process.ts";
import { testDirectory } from "../testing/service.ts";
import { createCertificates } from "./certificates.ts";
import { writeConfig } from "./config.ts";
import { createEnvironment } from "./environment.ts";
import { freePorts } from "./ports.ts";

test("the environment has hosts, releases, keys and a migrated database, and its configuration is valid", async (t) => {
  const directory = await testDirectory(t);
  const environment = await createEnvironment({ clock: systemClock, directory, releases: [{ variant: "good" }] });
  assert.equal(environment.running.version, "2.0.0");
  assert.deepEqual([...environment.releases.keys()], ["2.0.0", "2.1.0"]);
  const ports = new Set([environment.proxy.port, ...environment.hosts.map((host) => host.port)]);
  assert.equal(ports.size, 5);
  for (const host of environment.hosts) {
    const file = path.join(host.root, "shared", "service.env");
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const settings = parseServiceEnv(await readFile(file, "utf8"));
    assert.deepEqual([settings["PORT"], settings["HOST_NAME"]], [String(host.port), host.name]);
  }
  const { certificates, people, releaseKey, database } = environment;
  const secrets = [certificates.caKeyFile, certificates.keyFile, people.cto.privateKeyFile, releaseKey.signerFile];
  for (const file of secrets) assert.equal((await stat(file)).mode & 0o777, 0o600, file);

  const state = await sqliteSchema(database.file, { clock: systemClock }).state();
  assert.deepEqual(
    state.applied.map(({ id, release }) => [id, release]),
    [["0001_initial", environment.running.id]],
  );
  assert.deepEqual(
    state.records.map(({ version, migrations }) => [version, migrations]),
    [["2.0.0", ["0001_initial"]]],
  );
  const db = new DatabaseSync(database.file, { readOnly: true });
  assert.equal(db.prepare("SELECT count(*) AS count FROM payments").get()?.["count"], 250);
  db.close();

  const { system } = await loadSystem(await writeConfig(environment, { runbook: "RUNBOOK.md" }), directory);
  assert.equal(system.hosts.length, 4);
  const packed = environment.releases.get("2.1.0");
  assert.ok(packed !== undefined);
  const verifiers = system.releases.trustedKeys.map(parseVerifier);
  const opened = await openRelease({ archive: packed.archive, manifest: packed.manifestFile, verifiers });
  assert.deepEqual(opened.signedBy, ["sunnypayments.com/releases"]);
});

test("the load generator reaches the server by its public name, and refuses a certificate of another authority", async (t) => {
  const directory = await testDirectory(t);
  const make = (name: string): ReturnType<typeof createCertificates> =>
    createCertificates(path.join(directory, name), { hosts: ["api.sunnypayments.com"], now: Date.now() });
  const [ours, other] = await Promise.all([make("ours"), make("other")]);
  const tls = { cert: await readFile(ours.certFile), key: await readFile(ours.keyFile) };
  const server = https.createServer(tls, (request, response) => {
    assert.equal(request.headers.host, "api.sunnypayments.com");
    response.writeHead(500, { "x-app-version": "1.0.0" }).end("{}");
  });
  const [port = 0] = await freePorts(1);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  const settings = {
    url: "https://api.sunnypayments.com",
    connect: `127.0.0.1:${port}`,
    ledgerFile: path.join(directory, "ledger.jsonl"),
    maxRequests: 5,
  };
  const trusted = await (await startLoad({ ...settings, caFile: ours.caCertFile })).ended;
  assert.deepEqual([trusted.byStatus["500"], Object.keys(trusted.byVersion)], [5, ["1.0.0"]]);
  const refused = await (await startLoad({ ...settings, caFile: other.caCertFile })).ended;
  assert.equal(refused.answered, 0);
  assert.match(Object.keys(refused.byStatus).join(), /UNABLE_TO_VERIFY|SELF_SIGNED|CERT_SIGNATURE_FAILURE/);
  const misnamed = await (
    await startLoad({ ...settings, url: "https://other.example", caFile: ours.caCertFile })
  ).ended;
  assert.deepEqual(Object.keys(misnamed.byStatus), ["ERR_TLS_CERT_ALTNAME_INVALID"]);
});

test("a directory in which no socket could be opened is refused with what to do", async (t) => {
  const directory = path.join(await testDirectory(t), "d".repeat(100));
  await assert.rejects(
    createEnvironment({ clock: systemClock, directory, releases: [{ variant: "good" }] }),
    /cannot run in .*longer than systems accept\. Choose a shorter directory, such as TMPDIR=\/tmp/,
  );
});
