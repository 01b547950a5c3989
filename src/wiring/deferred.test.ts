import assert from "node:assert/strict";
import { test } from "node:test";
import { deferral } from "./deferred.ts";

interface Port {
  readonly name: string;
  greet(who: string): Promise<string>;
  fail(): Promise<never>;
}

const adapter = (): Port => ({
  name: "real",
  greet: (who) => Promise.resolve(`hello ${who}`),
  fail: () => Promise.reject(new Error("refused")),
});

test("an adapter is loaded by the first call, once, and answers that call", async () => {
  let loads = 0;
  const load = (): Promise<Port> => {
    loads += 1;
    return Promise.resolve(adapter());
  };
  const port = deferral().port<Port>(load, { greet: true, fail: true }, { name: "known" });
  assert.deepEqual([port.name, loads], ["known", 0]);
  assert.deepEqual(await Promise.all([port.greet("a"), port.greet("b")]), ["hello a", "hello b"]);
  await assert.rejects(port.fail(), { message: "refused" });
  assert.equal(loads, 1);
});

test("an adapter that cannot be loaded fails each call with its own error, and a run before it begins", async () => {
  const broken = deferral();
  const load = (): Promise<Port> => Promise.reject(new SyntaxError("Unexpected token"));
  const port = broken.port<Port>(load, { greet: true, fail: true }, { name: "known" });
  await assert.rejects(port.greet("a"), { name: "SyntaxError", message: "Unexpected token" });
  await assert.rejects(broken.all(), { name: "SyntaxError" });
});
