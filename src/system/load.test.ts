import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { isSunnyError, type SunnyError } from "../errors.ts";
import { closest } from "./closest.ts";
import { loadSystem } from "./load.ts";

const minimal = {
  service: "payments",
  environment: "production",
  releases: { dir: "releases", trustedKeys: ["k"] },
  hosts: [{ name: "web-1", root: "hosts/web-1", port: 8001 }],
  loadBalancer: { kind: "embedded", socket: "proxy.sock" },
  database: { kind: "sqlite", file: "payments.db", backupDir: "backups" },
};

function write(t: TestContext, name: string, text: string): string {
  const dir = mkdtempSync(path.join(tmpdir(), "sunny-config-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = path.join(dir, name);
  writeFileSync(file, text);
  return file;
}

test("loadSystem fills in defaults and makes paths absolute", async (t) => {
  const file = write(t, "sunny.config.json", JSON.stringify(minimal));
  const { system } = await loadSystem(file, "/");
  assert.equal(system.rollout.canaryPercent, 10);
  assert.equal(system.runbook, path.join(path.dirname(file), "RUNBOOK.md"));
  assert.equal(system.hosts[0]?.root, path.join(path.dirname(file), "hosts/web-1"));
});

test("loadSystem reads a TypeScript module", async (t) => {
  const file = write(t, "sunny.config.ts", `const port: number = 9;\nexport default ${JSON.stringify(minimal)};`);
  assert.equal((await loadSystem(file, "/")).system.service, "payments");
});

test("loadSystem finds the nearest configuration above the working directory", async (t) => {
  const file = write(t, "sunny.config.json", JSON.stringify(minimal));
  assert.equal((await loadSystem(undefined, path.join(path.dirname(file), "a", "b"))).file, file);
});

function fleet(size: number): object[] {
  return Array.from({ length: size }, (_, i) => ({ name: `web-${i}`, root: `hosts/web-${i}`, port: 8001 + i }));
}

test("loadSystem takes batches of any size that leave as many in traffic as must stay", async (t) => {
  for (const [size, rollout] of [
    [1, { maxUnavailable: 1 }],
    [3, { maxUnavailable: 2 }],
    [3, { maxUnavailable: 3, minServing: 0 }],
    [4, { maxUnavailable: 1, minServing: 3 }],
  ] as const) {
    const file = write(t, "sunny.config.json", JSON.stringify({ ...minimal, hosts: fleet(size), rollout }));
    assert.equal((await loadSystem(file, "/")).system.hosts.length, size);
  }
});

test("loadSystem refuses a key that stands twice in JSON, at its line", async (t) => {
  const more = JSON.stringify({ ...minimal, service: undefined, hosts: undefined }).slice(1, -1);
  const host = (key: string): string =>
    `{"name": "web-1", "root": "a:{\\"b", "port": 8001},\n  {"name": "w", "root": "b",\n   "port": 1, "${key}": 2}`;
  const twice = [
    [`{\n"service": "a", "hosts": [${host("weight")}],\n"service": "b", ${more}}`, 5, /wrong at service: .*on line 2/],
    [`{"service": "a",\n"hosts": [${host("po\\u0072t")}], ${more}}`, 4, /hosts\[1\]\.port: .*twice, first on line 4/],
  ] as const;
  for (const [text, line, expected] of twice) {
    JSON.parse(text);
    await assert.rejects(loadSystem(write(t, "sunny.config.json", text), "/"), (error: SunnyError) => {
      assert.equal(error.code, "CONFIG_INVALID");
      assert.match(error.message, expected);
      assert.equal(error.place?.line, line);
      return true;
    });
  }
  const once = `{"service": "hosts", "labels": "service", "hosts": [${host("port2")}], ${more}}`;
  await assert.rejects(loadSystem(write(t, "sunny.config.json", once), "/"), /there is no such key/);
});

const wrong: [string, object, RegExp][] = [
  ["a mistyped key", { ...minimal, rollout: { canaryHost: 2 } }, /rollout\.canaryHost: .*did you mean "canaryHosts"/],
  ["a value of the wrong type", { ...minimal, rollout: { maxUnavailable: "one" } }, /rollout\.maxUnavailable: /],
  ["a missing key", { ...minimal, service: undefined }, /wrong at service: /],
  [
    "two hosts of one name",
    { ...minimal, hosts: [...minimal.hosts, ...minimal.hosts] },
    /hosts\[1\]\.name: "web-1" is used twice/,
  ],
  [
    "two hosts at one address",
    { ...minimal, hosts: [...minimal.hosts, { name: "web-2", root: "hosts/web-2", port: 8001 }] },
    /hosts\[1\]\.port: web-1 answers at 127\.0\.0\.1:8001 already/,
  ],
  [
    "two hosts in one directory of one machine",
    { ...minimal, hosts: [...minimal.hosts, { name: "web-2", root: "hosts/web-1", port: 8002 }] },
    /hosts\[1\]\.root: .*hosts\/web-1 on the same machine is the root of web-1 already/,
  ],
  ["a key that is not there", { ...minimal, database: undefined }, /wrong at database: it is missing$/],
  [
    "a canary larger than the fleet",
    { ...minimal, rollout: { canaryHosts: 2 } },
    /rollout\.canaryHosts: there is 1 host/,
  ],
  [
    "intervals shorter than CloudWatch has figures",
    {
      ...minimal,
      monitoring: { intervalMs: 1_000, source: { kind: "cloudwatch", region: "eu-central-1", metrics: {} } },
    },
    /monitoring\.intervalMs: CloudWatch has a figure every 60 s only/,
  ],
  [
    "a fleet that may never shrink",
    { ...minimal, rollout: { minServing: 1 } },
    /rollout\.minServing: .*none could ever/,
  ],
  [
    "more hosts out of traffic than there are",
    { ...minimal, rollout: { maxUnavailable: 2 } },
    /rollout\.maxUnavailable: there is 1 host, fewer than 2/,
  ],
  [
    "a batch that takes every host out of traffic",
    { ...minimal, hosts: fleet(3), rollout: { maxUnavailable: 3 } },
    /rollout\.maxUnavailable: there are 3 hosts, of which 1 must stay in traffic, so 3 cannot be out at once/,
  ],
  [
    "batches larger than what must serve allows",
    { ...minimal, hosts: fleet(4), rollout: { maxUnavailable: 2, minServing: 3 } },
    /rollout\.maxUnavailable: there are 4 hosts, of which 3 must stay in traffic/,
  ],
  [
    "two people of one name",
    {
      ...minimal,
      people: [
        { name: "Ann", roles: ["CTO"] },
        { name: "ann", roles: ["DBA"] },
      ],
    },
    /people\[1\]\.name: "ann" is used twice/,
  ],
  [
    "an approval that nobody can give",
    { ...minimal, people: [{ name: "Ann", roles: ["CTO"] }], approvals: [{ role: "CTO" }] },
    /approvals\[0\]\.role: .*nobody with a public key holds it/,
  ],
  [
    "more approvals than people",
    {
      ...minimal,
      people: [{ name: "Ann", roles: ["cto"], publicKeyFile: "a" }],
      approvals: [{ role: "CTO", count: 2 }],
    },
    /approvals\[0\]\.role: .*only 1 with a key/,
  ],
  [
    "a gate that nobody may attest",
    { ...minimal, gates: { Reviewed: { kind: "attest", roles: ["Reviewer"] } } },
    /gates\.Reviewed\.roles: nobody under `people` is Reviewer/,
  ],
  [
    "an endpoint with a path",
    { ...minimal, endpoints: { "https://a/b": { connect: "b:1" } } },
    /endpoints\.https:.*no origin/,
  ],
  [
    "an endpoint without a port",
    { ...minimal, endpoints: { "https://a": { connect: "b" } } },
    /connect: "b" is no address/,
  ],
  [
    "a webhook that is none",
    { ...minimal, notify: { channels: [{ kind: "webhook", url: "ftp://a" }] } },
    /notify\.channels\[0\]\.url: /,
  ],
  [
    "a second copy in the first place",
    { ...minimal, stateDir: "state", checkpointCopyDir: "state/copy" },
    /checkpointCopyDir: the second copy lies in the state directory/,
  ],
];
for (const [name, config, message] of wrong) {
  test(`loadSystem points at the key of ${name}`, async (t) => {
    const file = write(t, "sunny.config.json", JSON.stringify(config, null, 2));
    await assert.rejects(loadSystem(file, "/"), (error) => {
      assert.ok(isSunnyError(error, "CONFIG_INVALID"));
      assert.match(error.message, message);
      assert.equal(error.place?.file, file);
      return true;
    });
  });
}

test("loadSystem names the line of a wrong key", async (t) => {
  const file = write(t, "sunny.config.json", JSON.stringify({ ...minimal, rollout: { canaryHost: 2 } }, null, 2));
  await assert.rejects(loadSystem(file, "/"), (error) => {
    assert.ok(isSunnyError(error));
    const text = JSON.stringify({ ...minimal, rollout: { canaryHost: 2 } }, null, 2).split("\n");
    assert.match(text[(error.place?.line ?? 0) - 1] ?? "", /canaryHost/);
    return true;
  });
});

test("loadSystem names the line of the host that is wrong, not of the first one", async (t) => {
  const ssh = (name: string, address: string): object => ({
    name,
    root: "/srv",
    port: 8001,
    connection: { kind: "ssh", address },
  });
  const hosts = [ssh("web-1", "a"), ssh("web-2", "b"), { ...ssh("web-3", "c"), note: "[,]" }];
  const lines = JSON.stringify({ ...minimal, hosts }, null, 2).split("\n");
  const file = write(t, "sunny.config.json", lines.join("\n"));
  await assert.rejects(loadSystem(file, "/"), (error) => {
    assert.ok(isSunnyError(error));
    assert.equal(error.place?.line, lines.findIndex((line) => line.includes('"note"')) + 1);
    return true;
  });
});

test("loadSystem says of what is no file that it cannot be read", async (t) => {
  const directory = path.dirname(write(t, "x", ""));
  await assert.rejects(loadSystem(directory, "/"), { code: "CONFIG_NOT_FOUND", message: /Cannot read .*EISDIR/ });
});

test("loadSystem refuses functions, since they would have no digest", async (t) => {
  const file = write(t, "sunny.config.mjs", `export default { ...${JSON.stringify(minimal)}, service: () => "x" };`);
  await assert.rejects(loadSystem(file, "/"), (error) => isSunnyError(error, "CONFIG_INVALID"));
});

for (const extension of ["ts", "mjs"]) {
  test(`loadSystem names the line of a module that cannot be read, also of one that is imported (.${extension})`, async (t) => {
    const file = write(
      t,
      "sunny.config.mjs",
      `import { hosts } from "./hosts here.${extension}";\nexport default { hosts };\n`,
    );
    const imported = path.join(path.dirname(file), `hosts here.${extension}`);
    writeFileSync(imported, `const name = "web-1";\nexport const hosts = [{ name ;\n`);
    await assert.rejects(loadSystem(file, "/"), (error) => {
      assert.ok(isSunnyError(error, "CONFIG_INVALID"));
      assert.deepEqual(error.place, { file: imported, line: 2 });
      return true;
    });
  });
}

test("loadSystem says where it looked when there is no configuration", async () => {
  await assert.rejects(loadSystem(undefined, "/nonexistent/dir"), (error) => isSunnyError(error, "CONFIG_NOT_FOUND"));
});

test("closest proposes a name only when it is near", () => {
  assert.equal(closest("canaryHost", ["canaryHosts", "health"]), "canaryHosts");
  assert.equal(closest("zzz", ["canaryHosts", "health"]), undefined);
});
