import assert from "node:assert/strict";
import { test } from "node:test";
import type { StepScope } from "../../engine/context.ts";
import type { ScriptResult } from "../../operations/rollout/transport.ts";
import { fakeClock } from "../../operations/monitor/fake-world.ts";
import { systemSchema } from "../../system/schema.ts";
import { hostAccess } from "./access.ts";

test("a host that does not answer for a while is told in the step's log, with how long it is waited for", async () => {
  const clock = fakeClock();
  const system = systemSchema.parse({
    service: "api",
    environment: "test",
    releases: { dir: "r", trustedKeys: ["k"] },
    hosts: [{ name: "web-1", root: "/srv/api", port: 1 }],
    loadBalancer: { kind: "embedded", socket: "s" },
    database: { kind: "sqlite", file: "db", backupDir: "b" },
  });
  const answers: ((result: ScriptResult) => void)[] = [];
  const transport = { run: () => new Promise<ScriptResult>((resolve) => answers.push(resolve)) };
  const access = hostAccess({
    system,
    transport: () => transport,
    authority: "a",
    starter: [],
    releases: { find: () => Promise.resolve([]) },
    clock,
  });
  const logged: string[] = [];
  const scope: StepScope = {
    signal: new AbortController().signal,
    idempotencyKey: "key",
    fence: { token: 1, attempt: 1 },
    log: (text) => logged.push(text),
  };
  const answer = { status: 0, stdout: "", stderr: "", ended: null };
  const until = new Date(clock.now() + 60_000).toISOString();

  const slow = access.change("web-1", "script", scope, { deadlineMs: 60_000 });
  await clock.advance(9_999);
  assert.deepEqual(logged, []);
  await clock.advance(20_000);
  answers.shift()?.(answer);
  await slow;
  assert.deepEqual(logged.splice(0), [`web-1: no answer for 10 s; it is waited for until ${until}\n`]);

  const quick = access.change("web-1", "script", scope, { deadlineMs: 60_000 });
  answers.shift()?.(answer);
  await quick;
  await clock.advance(60_000);
  assert.deepEqual(logged, []);
});
