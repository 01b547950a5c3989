import assert from "node:assert/strict";
import { it } from "node:test";
import { scrubber } from "../secret.ts";
import type { JournalTransaction } from "./journal.ts";
import { StepOutput } from "./output.ts";

function collect(pieces: readonly string[]): string {
  let text = "";
  const tx = { appendOutput: (row: { text: string }) => void (text += row.text) } as unknown as JournalTransaction;
  const output = new StepOutput({ run: "d-1", step: "a", attempt: 1 }, scrubber([]), 10_000, 0);
  for (const piece of pieces) {
    output.add(piece);
    output.drain(tx, 0);
  }
  output.finish();
  output.drain(tx, 0);
  return text;
}

it("a private key that comes in pieces is kept out as a whole", () => {
  const key = ["one\n-----BEGIN PRIVATE", " KEY-----\nMIIEvQ\n", "IBADAN\n-----END PRIVATE KEY", "-----\ntwo\n"];
  assert.equal(collect(key), "one\n[private key]\ntwo\n");
});

it("a private key that never ends is kept out, and what came before it is kept", () => {
  assert.equal(collect(["one\n", "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ\n", "AAAA"]), "one\n[private key]\n");
});

it("a card number that comes in pieces is kept out", () => {
  assert.equal(collect(["card 4111 1111 ", "1111 1111\n"]), "card [card number]\n");
});
