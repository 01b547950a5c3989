import assert from "node:assert/strict";
import { test } from "node:test";
import type { RolloutPorts } from "./ports.ts";
import type { StepScope } from "../../engine/context.ts";
import { lastWords } from "./survey.ts";

test("a service's last words are those of the last line with words in it; the step's log has every line", async () => {
  const logged: string[] = [];
  const scope = { signal: new AbortController().signal, log: (text: string) => void logged.push(text) };
  const wordsOf = (...lines: string[]): Promise<string> =>
    lastWords({ fleet: { serviceLog: async () => lines } } as unknown as RolloutPorts, "web-1", scope as StepScope);
  assert.equal(
    await wordsOf("OSError: address in use", "------", "", "}"),
    "; its log ends with: OSError: address in use",
  );
  assert.match(logged.join(""), /address in use\n------\n\n\}\n$/);
  assert.equal(await wordsOf('{"msg":"no ledger"}'), "; its log ends with: no ledger");
  assert.equal(await wordsOf("---"), "");
  assert.equal(await wordsOf(), "");
});
