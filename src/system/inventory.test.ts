import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { isSunnyError } from "../errors.ts";
import { inventoryText, listedHosts } from "./inventory.ts";
import { loadSystem } from "./load.ts";
import type { HostSpec, System } from "./schema.ts";

const HOSTS = [
  { name: "web-1", root: "/srv/api", port: 8080, connection: { kind: "ssh", address: "10.0.0.1", jump: "gate" } },
  {
    name: "web-2",
    root: "/srv/api",
    port: 8080,
    connection: { kind: "ssh", address: "10.0.0.2", port: 2222, user: "d" },
  },
];

function place(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-inventory-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function readInventory(
  inventory: NonNullable<System["inventory"]>,
  directory: string,
): Promise<readonly HostSpec[]> {
  return listedHosts(inventory, await inventoryText(inventory, directory));
}

const refused = (words: RegExp) => (error: unknown) =>
  isSunnyError(error, "INVENTORY_INVALID") && (assert.match(error.message, words), true);

test("hosts come from a file, as a list or under a key, with the defaults of the configuration", async (t) => {
  const file = path.join(place(t), "hosts.json");
  for (const [mark, form] of [
    ["", HOSTS],
    ["\u{FEFF}", { hosts: HOSTS, generated: "yesterday" }],
  ] as const) {
    writeFileSync(file, `${mark}${JSON.stringify(form)}`);
    const [first, second] = await readInventory({ kind: "file", path: file }, "/");
    assert.deepEqual(first?.connection, { kind: "ssh", address: "10.0.0.1", port: 22, jump: "gate" });
    assert.deepEqual([second?.name, second?.address], ["web-2", "127.0.0.1"]);
  }
});

test("hosts come from a command's output, run without a shell where the configuration is", async (t) => {
  const directory = place(t);
  writeFileSync(path.join(directory, "a b.json"), JSON.stringify(HOSTS));
  const found = await readInventory({ kind: "command", argv: ["cat", "a b.json"], timeoutMs: 5_000 }, directory);
  assert.deepEqual(
    found.map((host) => host.name),
    ["web-1", "web-2"],
  );
});

test("what cannot be read names its source, the host and the key", async (t) => {
  const directory = place(t);
  const command = (script: string, timeoutMs = 5_000) =>
    readInventory({ kind: "command", argv: ["sh", "-c", script], timeoutMs }, directory);
  await assert.rejects(readInventory({ kind: "file", path: `${directory}/none` }, "/"), refused(/none: ENOENT/));
  await assert.rejects(command("echo no access >&2; exit 3"), refused(/the command sh -c .*no access/));
  await assert.rejects(command("echo no access >&2; exit 3"), refused(/: it exited with status 3: no access$/));
  await assert.rejects(command("kill -KILL $$"), refused(/: it was ended by SIGKILL$/));
  await assert.rejects(command("yes garbage", 60_000), refused(/: it printed more than 16 MiB$/));
  await assert.rejects(command("sleep 5", 100), refused(/did not end within 100 ms/));
  await assert.rejects(command("echo '[{'"), refused(/not JSON/));
  await assert.rejects(command("echo '{}'"), refused(/neither a list of hosts nor an object with one/));
  await assert.rejects(
    command(`echo '[{"name":"web-1","root":"/x","port":0}]'`),
    refused(/host "web-1" is wrong at port/),
  );
  await assert.rejects(command(`echo '[{"root":"/x","port":1}]'`), refused(/host number 1 is wrong at name/));
});

test("a command that does not end when it is asked to is killed, and what it started is not waited for", async (t) => {
  const directory = place(t);
  const pids = path.join(directory, "pids");
  const started = (): string[] => readFileSync(pids, "utf8").trim().split("\n");
  try {
    for (const script of ["trap '' TERM; while :; do sleep 0.1; done", "sleep 600 & echo $! >>pids; echo '[]'"]) {
      const argv = ["sh", "-c", `echo $$ >>pids; ${script}`];
      const listed = readInventory({ kind: "command", argv, timeoutMs: 2_000 }, directory);
      await assert.rejects(listed, refused(/did not end within 2000 ms/));
    }
    assert.throws(() => process.kill(Number(started()[0]), 0), { code: "ESRCH" });
  } finally {
    started().forEach(kill);
  }
});

function kill(pid: string): void {
  try {
    process.kill(Number(pid), "SIGKILL");
  } catch {
    // It is gone already.
  }
}

test("the configuration's own hosts and those of the inventory are one list without doubles", async (t) => {
  const directory = place(t);
  const config = {
    service: "api",
    environment: "test",
    releases: { dir: "r", trustedKeys: ["k"] },
    hosts: [{ name: "web-0", root: "here", port: 1 }],
    inventory: { kind: "file", path: "hosts.json" },
    loadBalancer: { kind: "embedded", socket: "s" },
    database: { kind: "sqlite", file: "db", backupDir: "b" },
  };
  writeFileSync(path.join(directory, "hosts.json"), JSON.stringify(HOSTS));
  writeFileSync(path.join(directory, "sunny.config.json"), JSON.stringify(config));
  const { system } = await loadSystem(undefined, directory);
  assert.deepEqual(
    system.hosts.map((host) => host.name),
    ["web-0", "web-1", "web-2"],
  );
  writeFileSync(path.join(directory, "hosts.json"), JSON.stringify([...HOSTS, HOSTS[0]]));
  await assert.rejects(loadSystem(undefined, directory), (error) => isSunnyError(error, "CONFIG_INVALID"));
  writeFileSync(
    path.join(directory, "sunny.config.json"),
    JSON.stringify({ ...config, hosts: [], inventory: undefined }),
  );
  await assert.rejects(loadSystem(undefined, directory), (error) => isSunnyError(error, "CONFIG_INVALID"));
});
