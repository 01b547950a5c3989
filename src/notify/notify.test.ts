import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock, type Clock } from "../clock.ts";
import { RetryableError } from "../engine/context.ts";
import { Secret } from "../secret.ts";
import { channelsOf } from "./channels.ts";
import { fileChannel } from "./channel-file.ts";
import { webhookChannel, webhookSignature } from "./channel-webhook.ts";
import type { Channel, Delivery, Notice } from "./notice.ts";
import { createNotifier } from "./notifier.ts";

const notice: Notice = {
  id: "d-118/rolled-back",
  at: Date.UTC(2026, 2, 1, 12),
  severity: "warning",
  event: "deployment.rolled-back",
  title: "2.2.0 was rolled back",
  text: "Error rate 5.1 %, limit 1 %.\nNothing to do.",
  service: "payments",
  environment: "production",
  deployment: "d-118",
  to: [{ role: "DevOps Lead", addresses: ["devops-lead@sunnypayments.com"] }],
};

/** Time passes by itself: each timer fires at the next turn of the event loop, in the order in which it was set. */
function impatientClock(): Clock & { waited: number[] } {
  const waited: number[] = [];
  return {
    waited,
    now: () => notice.at,
    monotonic: () => 0,
    timer(ms, fn) {
      if (ms === Infinity) return () => undefined;
      waited.push(ms);
      const handle = setImmediate(fn);
      return () => clearImmediate(handle);
    },
  };
}

let dir: string;
before(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "sunny-notify-"));
});
after(() => rm(dir, { recursive: true, force: true }));

const signal = (): AbortSignal => new AbortController().signal;

describe("the file channel", () => {
  it("adds one line of JSON for each notice, readable by its owner only", async () => {
    const file = path.join(dir, "new", "notices.jsonl");
    const channel = fileChannel(file);
    await channel.send(notice, signal());
    await channel.send({ ...notice, id: "second" }, signal());
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { id: string; at: string }).id),
      ["d-118/rolled-back", "second"],
    );
    assert.match(lines[0] ?? "", /"at":"2026-03-01T12:00:00.000Z"/);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  it("starts a line of its own after one that was cut off", async () => {
    const file = path.join(dir, "cut.jsonl");
    await writeFile(file, '{"id":"cu');
    await fileChannel(file).send(notice, signal());
    const lines = (await readFile(file, "utf8")).split("\n");
    assert.equal(lines[0], '{"id":"cu');
    assert.equal((JSON.parse(lines[1] ?? "") as { id: string }).id, notice.id);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  it("does not write through a symbolic link", async () => {
    const link = path.join(dir, "link.jsonl");
    await symlink(path.join(dir, "target"), link);
    await assert.rejects(fileChannel(link).send(notice, signal()), { code: "ELOOP" });
  });
});

describe("the webhook channel", () => {
  const answers: number[] = [];
  const seen: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      seen.push({ headers: request.headers, body });
      const status = answers.shift() ?? 204;
      if (status === 0) return;
      response.writeHead(status, { location: "http://127.0.0.1:9/" }).end();
    });
  });
  let url: string;
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/top-secret-token`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const secret = new Secret("correct horse", "webhook key");
  const channel = (): Channel => webhookChannel({ url, secret, clock: systemClock });

  it("posts JSON that the receiver can verify", async () => {
    await channel().send(notice, signal());
    const { headers, body } = seen.at(-1) ?? assert.fail("nothing arrived");
    assert.equal((JSON.parse(body) as Notice).title, "2.2.0 was rolled back");
    assert.equal(headers["idempotency-key"], notice.id);
    assert.equal(headers["x-sunny-signature"], webhookSignature(secret, String(headers["x-sunny-timestamp"]), body));
  });

  it("tells what may be tried again from what may not, and shows no path", async () => {
    answers.push(503, 404, 302);
    const error = await channel()
      .send(notice, signal())
      .catch((thrown: unknown) => thrown);
    assert.ok(error instanceof RetryableError && error.message.endsWith("answered 503"));
    const final = await channel()
      .send(notice, signal())
      .catch((thrown: unknown) => thrown);
    assert.ok(final instanceof Error && !(final instanceof RetryableError) && final.message.endsWith("answered 404"));
    const redirect = await channel()
      .send(notice, signal())
      .catch((thrown: unknown) => thrown);
    assert.ok(redirect instanceof Error);
    for (const thrown of [error, final, redirect])
      assert.ok(!thrown.message.includes("top-secret-token"), thrown.message);
  });

  it("is tried again until it answers, and given up when it hangs", async () => {
    answers.push(503, 500, 200);
    const clock = impatientClock();
    const patient = { ...clock, timer: (ms: number, fn: () => void) => clock.timer(ms === 999 ? Infinity : ms, fn) };
    const [first] = await createNotifier({ channels: [channel()], clock: patient, deadlineMs: 999 }).notify(notice);
    assert.deepEqual([first?.ok, first?.attempts, clock.waited], [true, 3, [250, 500]]);
    answers.push(0);
    const hanging = createNotifier({ channels: [channel()], clock: systemClock, deadlineMs: 60 });
    const [second] = await hanging.notify(notice);
    assert.deepEqual([second?.ok, second?.error], [false, "no answer within 60 ms"]);
  });
});

const failing = (name: string, from: Channel["from"], error: unknown): Channel => ({
  name,
  from,
  send: () => Promise.reject(error),
});

describe("the notifier", () => {
  it("never rejects: what fails is recorded, and the other channels are told", async () => {
    const recorded: Delivery[] = [];
    const clock = impatientClock();
    const forever = { ...clock, timer: (ms: number, fn: () => void) => clock.timer(ms === 15_000 ? Infinity : ms, fn) };
    const told: string[] = [];
    const channels: Channel[] = [
      failing("busy", "info", new RetryableError("NOTIFY_UNREACHABLE", "later")),
      failing("broken", "info", new Error("no such address")),
      failing("pager", "critical", new Error("must not be asked")),
      { name: "works", from: "warning", send: async ({ id }) => void told.push(id) },
    ];
    const record = (delivery: Delivery): void => {
      recorded.push(delivery);
      throw new Error("disk full");
    };
    await createNotifier({ channels, clock: forever, record }).notify(notice);
    assert.deepEqual(
      recorded.map(({ channel, ok, attempts, error }) => [channel, ok, attempts, error]),
      [
        ["busy", false, 4, "later"],
        ["broken", false, 1, "no such address"],
        ["works", true, 1, null],
      ],
    );
    assert.deepEqual(told, [notice.id]);
  });

  it("does not wait for a channel that ignores its signal", async () => {
    const deaf: Channel = { name: "deaf", from: "info", send: () => new Promise(() => undefined) };
    const [delivery] = await createNotifier({ channels: [deaf], clock: impatientClock() }).notify(notice);
    assert.equal(delivery?.error, "no answer within 15000 ms");
  });

  it("is built from the configuration, and a key that is not set is an error at once", () => {
    const channels = [
      { kind: "file" as const, path: "/var/log/sunny.jsonl" },
      { kind: "webhook" as const, url: "https://hooks.example.org/x", secret: { env: "HOOK_KEY" } },
    ];
    const built = channelsOf({ notify: { channels } }, systemClock, { HOOK_KEY: "k" });
    assert.deepEqual(
      built.map(({ name }) => name),
      ["file /var/log/sunny.jsonl", "webhook hooks.example.org"],
    );
    assert.throws(() => channelsOf({ notify: { channels } }, systemClock, {}), { code: "NOTIFY_SECRET_MISSING" });
  });
});
