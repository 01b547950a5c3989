import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { generateKey } from "../audit/note.ts";
import type { ErrorCode } from "../error-codes.ts";
import { isSunnyError } from "../errors.ts";
import { keepInventory } from "./last-inventory.ts";
import { loadSystem } from "./load.ts";

const SUNNY = path.resolve(import.meta.dirname, "../../bin/sunny");
const host = (name: string) => ({ name, root: name, port: 8080 + Number(name.at(-1)) });

/** A configuration in a folder of its own, with what its inventory lists. */
function place(t: TestContext) {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-last-inventory-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, value: unknown): void =>
    writeFileSync(path.join(directory, name), typeof value === "string" ? value : JSON.stringify(value));
  const config = {
    service: "api",
    environment: "test",
    releases: { dir: "r", trustedKeys: [generateKey("ci").verifier] },
    inventory: { kind: "file", path: "hosts.json" },
    loadBalancer: { kind: "embedded", socket: "s" },
    database: { kind: "sqlite", file: "db", backupDir: "b" },
  };
  write("sunny.config.json", config);
  write("hosts.json", [host("web-1"), host("web-2")]);
  const named = async (lastHosts: boolean): Promise<string> => {
    const { system, stale } = await loadSystem(undefined, directory, { lastHosts });
    return `${stale === undefined ? "" : "stale: "}${system.hosts.map((one) => one.name).join(" ")}`;
  };
  return { directory, state: path.join(directory, ".sunny"), config, write, named };
}

const refused = (code: ErrorCode) => (error: unknown) => isSunnyError(error, code);

test("who may go on without the inventory gets the hosts that it listed last, and no others", async (t) => {
  const { directory, state, config, write, named } = place(t);
  const { listed } = await loadSystem(undefined, directory);
  assert.ok(listed !== undefined);
  write("hosts.json", "[{");
  await assert.rejects(named(true), refused("INVENTORY_INVALID"), "nothing was kept yet");
  rmSync(path.join(directory, "hosts.json"));
  keepInventory(state, listed);
  mkdirSync(state);
  keepInventory(state, listed);
  assert.equal(statSync(path.join(state, "inventory.json")).mode & 0o777, 0o600);

  assert.equal(await named(true), "stale: web-1 web-2");
  await assert.rejects(named(false), refused("INVENTORY_INVALID"));
  for (const [text, code] of [
    ["[]", "CONFIG_INVALID"],
    ["{}", "INVENTORY_INVALID"],
    [JSON.stringify([host("web-1"), host("web-1")]), "CONFIG_INVALID"],
  ] as const) {
    write("hosts.json", text);
    await assert.rejects(named(false), refused(code), text);
    assert.equal(await named(true), "stale: web-1 web-2", text);
  }
  write("hosts.json", [host("web-3")]);
  assert.equal(await named(true), "web-3", "what can be read counts");

  write("other.json", "");
  write("sunny.config.json", { ...config, inventory: { kind: "file", path: "other.json" } });
  await assert.rejects(named(true), refused("INVENTORY_INVALID"), "another inventory has other hosts");
  write("sunny.config.json", config);
  write("hosts.json", "");
  writeFileSync(path.join(state, "inventory.json"), "damaged");
  await assert.rejects(named(true), refused("INVENTORY_INVALID"));
});

test("an environment can be looked at while its inventory is gone, and is not planned for", (t) => {
  const { directory, state, write } = place(t);
  const sunny = (...args: string[]) => spawnSync(SUNNY, args, { cwd: directory, encoding: "utf8" });
  assert.equal(sunny("status").status, 0);
  assert.match(readFileSync(path.join(state, "inventory.json"), "utf8"), /web-2/);
  write("hosts.json", "");
  const { status, stdout, stderr } = sunny("status");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /web-1[^]*web-2/);
  assert.match(stderr, /Cannot read the hosts from .*hosts\.json: [^]*Going on with the hosts that it listed at 20/);
  assert.match(sunny("status", "--json").stdout, /"event":"inventory-stale"/);
  for (const verb of ["plan", "deploy", "rehearse"]) {
    const planned = sunny(verb);
    assert.equal(planned.status, 1, verb);
    assert.match(planned.stderr, /^INVENTORY_INVALID/, verb);
  }
});
