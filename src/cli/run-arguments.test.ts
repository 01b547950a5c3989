import assert from "node:assert/strict";
import { test } from "node:test";
import { runArguments } from "./run-arguments.ts";

const read = (line: string, given = {}) => runArguments(line.split(" ").filter(Boolean), given);

test("what an operation takes stays its own, with and without --", () => {
  assert.deepEqual(read("--env production").args, ["--env", "production"]);
  assert.deepEqual(read("-- payments --host web-1").args, ["payments", "--host", "web-1"]);
  assert.deepEqual(read("--version 2.0.0 -- --json").args, ["--version", "2.0.0", "--json"]);
});

test("options of sunny itself may follow the name", () => {
  const { args, options } = read("--env production --reason=why --as dba --json --release 2.1.0 -c x.ts", {
    reason: "",
  });
  assert.deepEqual(args, ["--env", "production"]);
  assert.deepEqual(options, { reason: "why", release: "2.1.0", param: [] });
});

test("parameters may be given before the name of a procedure and after it", () => {
  const { args, options } = read("--param service-name=payments ticket=7 --param=region=eu", { param: ["a=b"] });
  assert.deepEqual(args, []);
  assert.deepEqual(options.param, ["a=b", "service-name=payments", "ticket=7", "region=eu"]);
});

test("--help is asked of the operation, also through its script", () => {
  assert.equal(read("--help").help, true);
  assert.equal(read("-- --help").help, true);
  assert.equal(read("-- payments").help, false);
});

test("an option without its value is refused", () => {
  assert.throws(() => read("--reason"), { code: "USAGE", message: "--reason lacks its value" });
});
