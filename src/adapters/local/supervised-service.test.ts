import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseServiceEnv, parseStartCommand } from "./supervised-service.ts";

describe("parseServiceEnv", () => {
  it("takes values literally, skips comments, and lets the last one count", () => {
    const text = ["# secrets", "", "PORT=4001", "KEY='a b' $HOME \"x\"", "EMPTY=", "PORT=4002\r", ""].join("\n");
    assert.deepEqual({ ...parseServiceEnv(text) }, { PORT: "4002", KEY: `'a b' $HOME "x"`, EMPTY: "" });
  });

  it("names the line that does not fit, and does not show it", () => {
    for (const line of ["export A=1", "secret-without-name", "1A=2", " A=1"]) {
      assert.throws(() => parseServiceEnv(`A=1\n${line}\n`), { message: "line 2 of service.env is not KEY=VALUE" });
    }
  });
});

describe("parseStartCommand", () => {
  it("takes a list of words and nothing else", () => {
    assert.deepEqual(parseStartCommand('{"start":["node","server.js"],"version":"1"}'), ["node", "server.js"]);
    for (const text of ["{}", '{"start":"node server.js"}', '{"start":[]}', '{"start":["node",1]}']) {
      assert.throws(() => parseStartCommand(text), /no "start" command/);
    }
  });
});
