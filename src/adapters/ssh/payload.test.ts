import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { after, test } from "node:test";
import { sendPayload } from "./payload.ts";

const dir = mkdtempSync(path.join(tmpdir(), "sunny-payload-"));
after(() => rmSync(dir, { recursive: true }));
const file = path.join(dir, "file");
const content = Buffer.from(Array.from({ length: 700_001 }, (_, at) => (at * 7 + (at >> 8)) % 256));
writeFileSync(file, content);
const never = new AbortController().signal;

/** Takes each chunk a while after it was written, and looks at it only then. */
function slow(digest: ReturnType<typeof createHash>): Writable {
  return new Writable({
    write(chunk: Buffer, _, done) {
      setImmediate(() => {
        digest.update(chunk);
        done();
      });
    },
  });
}

for (const [start, bytes] of [
  [0, content.length],
  [300_000, 400_001],
  [1, 1],
  [262_143, 262_146],
] as const) {
  test(`${bytes} bytes from ${start} arrive as they are, and the stream stays open`, async () => {
    const digest = createHash("sha256");
    const to = slow(digest);
    await sendPayload({ path: file, start, bytes }, to, never);
    const expected = createHash("sha256").update(content.subarray(start, start + bytes));
    assert.equal(digest.digest("hex"), expected.digest("hex"));
    assert.ok(to.writable);
  });
}

test("a file that is shorter, or not there, is an error, and so is a stream that is closed", async () => {
  const sent = (path: string, bytes: number, to = slow(createHash("sha256"))): Promise<void> =>
    sendPayload({ path, start: 0, bytes }, to, never);
  await assert.rejects(sent(file, content.length + 1), /has 700001 bytes of 700002/);
  await assert.rejects(sent(path.join(dir, "nowhere"), 1), { code: "ENOENT" });
  const stuck = new Writable({ write() {} });
  const sending = sent(file, content.length, stuck);
  setImmediate(() => stuck.destroy());
  await assert.rejects(sending);
});

test("nothing more is sent once it is stopped", async () => {
  const stop = new AbortController();
  let taken = 0;
  const to = new Writable({
    write(chunk: Buffer, _, done) {
      taken += chunk.length;
      stop.abort();
      done();
    },
  });
  await sendPayload({ path: file, start: 0, bytes: content.length }, to, stop.signal);
  assert.equal(taken, 256 * 1024);
});
