/** A load balancer that cannot be asked is told with its reason, and says nothing about the servers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { systemClock } from "../clock.ts";
import type { Sunny } from "../main.ts";
import type { CliContext } from "./context.ts";
import type { Configure } from "./configure.ts";
import { createOutput } from "./output.ts";
import { configure as status } from "./status.ts";
import { configure as traffic } from "./traffic.ts";

const WHY = "ssh:lb-2:/run/haproxy/admin.sock: No such file or directory";

/** What a verb writes for people, of an environment without runs. */
async function told(verb: Configure, unread: string | null): Promise<string> {
  let out = "";
  const write = (text: string): void => void (out += text);
  const sunny = {
    system: { environment: "production", hosts: [{ name: "web-1" }] },
    journal: { read: { runs: () => [], environment: () => null } },
    environment: () => Promise.resolve({ servers: [], unread, probes: new Map([["web-1", null]]) }),
  } as unknown as Sunny;
  const context = {
    output: createOutput({ json: false, stdout: { write }, stderr: { write }, clock: systemClock }),
    sunny: () => Promise.resolve(sunny),
    exit: () => {},
  } as unknown as CliContext;
  const command = new Command();
  verb(command, context);
  await command.parseAsync([], { from: "user" });
  return out;
}

test("the status says that the traffic is unknown, and why", async () => {
  const said = await told(status, WHY);
  assert.match(said, /web-1 +no answer +traffic unknown\n/);
  assert.ok(said.includes(`the load balancer cannot be read: ${WHY}\n`), said);
  assert.match(await told(status, null), /web-1 +no answer +not behind the load balancer\n/);
});

test("the traffic is refused with the reason", async () => {
  await assert.rejects(told(traffic, WHY), {
    code: "LOAD_BALANCER_UNREACHABLE",
    message: new RegExp(RegExp.escape(WHY)),
  });
});
