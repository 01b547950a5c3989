import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { proxyStats } from "../../src/adapters/proxy/proxy-balancer.ts";
import { systemClock } from "../../src/clock.ts";
import { loadSystem } from "../../src/system/load.ts";
import { authorityOf } from "./demo/authority.ts";
import { writeConfig } from "./demo/config.ts";
import { createEnvironment } from "./demo/environment.ts";
import { startSystem, stopSystem } from "./demo/system.ts";
import { testDirectory } from "./testing/service.ts";

const STOP = path.join(import.meta.dirname, "stop.ts");

async function stop(...args: string[]): Promise<{ readonly status: number | null; readonly text: string }> {
  const child = spawn(process.execPath, [STOP, ...args]);
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (more: string) => (text += more));
  // Not waited for in one go: what this process started is its child, and is gone only once that was seen.
  const [status] = (await once(child, "close")) as [number | null];
  return { status, text };
}

describe("demo:stop", () => {
  test("ends proxy and services by the directory alone, then removes it", async (t) => {
    const directory = path.join(await testDirectory(t), "kept");
    const environment = await createEnvironment({ clock: systemClock, directory, releases: [], hostCount: 2 });
    t.after(() => stopSystem(environment, systemClock));
    const config = await writeConfig(environment, { runbook: path.join(directory, "RUNBOOK.md") });
    const { system } = await loadSystem(config, directory);
    await startSystem(environment, { clock: systemClock, system, authority: authorityOf(system, systemClock) });
    const { pid } = await proxyStats(environment.proxy.socket);
    const services = environment.hosts.map(({ root }) =>
      Number(readFileSync(path.join(root, ".sunny", "service.pid"), "utf8").split(" ")[0]),
    );
    const { status, text } = await stop(directory);
    assert.match(text, /Proxy and services are ended/);
    assert.equal(status, 0);
    for (const one of [pid, ...services]) assert.throws(() => process.kill(one, 0), { code: "ESRCH" });
    assert.equal(existsSync(directory), false);
  });

  test("leaves directories alone that no demo made", async (t) => {
    const directory = await testDirectory(t);
    const refused = await stop(directory);
    assert.match(refused.text, /it holds no sunny\.config\.json; nothing was changed/);
    assert.equal(refused.status, 1);
    const elsewhere = path.join(directory, "elsewhere");
    mkdirSync(elsewhere);
    const environment = await createEnvironment({
      clock: systemClock,
      directory: path.join(directory, "demo"),
      releases: [],
      hostCount: 1,
    });
    const config = await writeConfig(environment, { runbook: "RUNBOOK.md" });
    writeFileSync(path.join(elsewhere, "sunny.config.json"), readFileSync(config));
    const foreign = await stop(elsewhere);
    assert.match(foreign.text, /its parts lie elsewhere/);
    assert.equal(foreign.status, 1);
    assert.ok(existsSync(elsewhere) && existsSync(config));
    assert.equal((await stop()).status, 2);
  });
});
