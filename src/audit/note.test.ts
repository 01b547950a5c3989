import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isSunnyError } from "../errors.ts";
import type { ErrorCode } from "../error-codes.ts";
import { generateKey, openNote, parseSigner, parseVerifier, signNote, verifierKey, verifierOf } from "./note.ts";

const refused = (code: ErrorCode) => (error: unknown) => isSunnyError(error, code);

describe("signed notes", () => {
  // The example of c2sp.org/signed-note.
  const EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
  const EXAMPLE_NOTE =
    "This is an example message.\n\n" +
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

  test("the specification's example verifies with its key", () => {
    const opened = openNote(EXAMPLE_NOTE, [parseVerifier(EXAMPLE_KEY)]);
    assert.equal(opened.text, "This is an example message.\n");
    assert.deepEqual(opened.verified, ["example.com/foo"]);
  });

  // The key pair in the documentation of golang.org/x/mod/sumdb/note.
  test("a key pair made by another implementation signs and verifies", () => {
    const signer = parseSigner("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz");
    const key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert.equal(verifierKey(verifierOf(signer)), key);
    const note = signNote(
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
      [signer],
    );
    assert.match(
      note,
      /\n\n— PeterNeumann x08go\/ZJkuBS9UG\/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n$/,
    );
    assert.deepEqual(openNote(note, [parseVerifier(key)]).verified, ["PeterNeumann"]);
  });

  test("new keys come back from their text and sign", () => {
    const key = generateKey("sunny/production");
    const signer = parseSigner(`${key.signer}\n`);
    assert.equal(verifierKey(verifierOf(signer)), key.verifier);
    const note = signNote("one\n\ntwo\n", [signer]);
    assert.equal(openNote(note, [parseVerifier(key.verifier)]).text, "one\n\ntwo\n");
  });

  test("signatures of unknown keys are passed over and named", () => {
    const [a, b] = [generateKey("a"), generateKey("b")];
    const note = signNote("text\n", [parseSigner(a.signer), parseSigner(b.signer)]);
    const opened = openNote(note, [parseVerifier(b.verifier)]);
    assert.deepEqual([opened.verified, opened.unverified], [["b"], ["a"]]);
  });

  test("a wrong signature under a known key refuses the note even when another holds", () => {
    const [a, b] = [generateKey("a"), generateKey("b")];
    const signers = [parseSigner(a.signer), parseSigner(b.signer)];
    const verifiers = [parseVerifier(a.verifier), parseVerifier(b.verifier)];
    const [first] = signNote("text\n", signers).split("— b");
    const [, second] = signNote("other\n", signers).split("— b");
    assert.throws(() => openNote(`${first}— b${second}`, verifiers), refused("NOTE_UNVERIFIED"));
  });

  test("a note nobody known signed is refused, with the names of those who did", () => {
    const [a, b] = [generateKey("a"), generateKey("b")];
    const note = signNote("text\n", [parseSigner(a.signer)]);
    assert.throws(() => openNote(note, [parseVerifier(b.verifier)]), /signed by a; known keys: b\+/);
    assert.throws(() => openNote(note, []), refused("NOTE_UNVERIFIED"));
  });

  const malformed: Record<string, string> = {
    "no signature": "text\n",
    "no blank line": "text\n— a AAAAAAAA\n",
    "no newline at the end": EXAMPLE_NOTE.slice(0, -1),
    "something behind the signatures": `${EXAMPLE_NOTE}more\n`,
    "a hyphen instead of the dash": EXAMPLE_NOTE.replace("—", "-"),
    "a carriage return": EXAMPLE_NOTE.replace("message.", "message.\r"),
    "two spaces": EXAMPLE_NOTE.replace("— example", "—  example"),
    "base64 that ends otherwise": EXAMPLE_NOTE.replace("aQM=", "aQN="),
    "base64 without padding": EXAMPLE_NOTE.replace("aQM=", "aQM"),
    "a signature without a key id": "text\n\n— a AAAA\n",
  };
  for (const [what, note] of Object.entries(malformed)) {
    test(`a note with ${what} is refused`, () => {
      assert.throws(() => openNote(note, [parseVerifier(EXAMPLE_KEY)]), refused("NOTE_MALFORMED"));
    });
  }

  test("a note larger than its limit is refused before it is looked at", () => {
    assert.throws(() => openNote(EXAMPLE_NOTE, [parseVerifier(EXAMPLE_KEY)], 20), refused("NOTE_MALFORMED"));
  });

  test("keys that were altered are refused and never repeated in the message", () => {
    const key = generateKey("a").signer;
    const broken = [key.replace("+a+", "+b+"), key.slice(0, -4), key.replace("PRIVATE", "PUBLIC"), "", "PRIVATE+KEY+a"];
    for (const text of broken) {
      assert.throws(
        () => parseSigner(text),
        (error: Error) => isSunnyError(error, "NOTE_KEY_INVALID") && !error.message.includes(key.slice(-20)),
      );
    }
    const verifier = generateKey("a").verifier;
    for (const text of [verifier.replace("a+", "b+"), verifier.slice(0, -4), "a", "a+00000000+AA=="]) {
      assert.throws(() => parseVerifier(text), refused("NOTE_KEY_INVALID"));
    }
  });

  test("a name with a space or a plus sign names no key", () => {
    for (const name of ["", "a b", "a+b", "a\u00a0b", "a\n"]) {
      assert.throws(() => generateKey(name), refused("NOTE_KEY_INVALID"));
    }
  });

  test("a text without a last newline, or with control characters, is not signed", () => {
    const signer = parseSigner(generateKey("a").signer);
    for (const text of ["", "text", "a\tb\n", "a\u0000\n"]) {
      assert.throws(() => signNote(text, [signer]), refused("NOTE_MALFORMED"));
    }
    assert.throws(() => signNote("text\n", []), refused("NOTE_MALFORMED"));
  });
});
