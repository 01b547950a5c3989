import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Secret, scrubber } from "./secret.ts";

const scrub = scrubber([]);

describe("what is captured", () => {
  const cases: readonly (readonly [given: string, kept: string])[] = [
    ["password=hunter2hunter2", "password=[secret]"],
    ['{"user":"ann","password":"hunter2hunter2"}', '{"user":"ann","password":"[secret]"}'],
    ["AKIAIOSFODNN7EXAMPLE", "[secret]"],
    ["aws_secret_access_key=wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key=[secret]"],
    ["Authorization: Bearer abcdef.123456-x", "Authorization: Bearer [secret]"],
    ["clone https://ann:s3cr3tpass@example.org/x", "clone https://ann:[secret]@example.org/x"],
    ["got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3", "got [secret]"],
    ["card 4111 1111 1111 1111, order 4111 1111 1111 1112", "card [card number], order 4111 1111 1111 1112"],
    ["a\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nb", "a\n[private key]\nb"],
    ["a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb", "a\n[private key]"],
  ];
  for (const [given, kept] of cases) {
    it(`keeps no credential: ${kept.replaceAll("\n", " ")}`, () => assert.equal(scrub(given), kept));
  }

  it("keeps what only speaks of secrets", () => {
    for (const text of ["secrets rotated", "token: none", "password=$DB_PASSWORD", "PWD=/srv/payments", "key web-1"]) {
      assert.equal(scrub(text), text);
    }
  });

  it("keeps no secret that Sunny itself was given, in any encoding", () => {
    const known = scrubber([new Secret("a b/c+d", "test")]);
    assert.equal(known("a b/c+d a%20b%2Fc%2Bd YSBiL2MrZA=="), "[secret] [secret] [secret]==");
  });
});
