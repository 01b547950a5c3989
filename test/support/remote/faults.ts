/** One fault of a whole deployment: what goes wrong, and everything that has to be so afterwards. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { type Ended, assertEventLines } from "../e2e/sunny.ts";
import { without } from "../programs.ts";
import { type RemoteOptions, type RemoteSystem, startRemoteSystem } from "./remote-system.ts";

/** A host's state while a deployment runs, and what happens then. */
export interface Moment {
  readonly host: string;
  readonly state: string;
  act(system: RemoteSystem): void | Promise<void>;
}

export interface Fault {
  /** Completes "…" as a sentence: the name of the test. */
  readonly name: string;
  /** Why it cannot be shown on this machine; false when it can. */
  readonly skip?: string | false;
  /** What is deployed; default the one of 2.0.0 and 2.0.1 that does not run. */
  readonly release?: string;
  /** Before `sunny deploy` is called. */
  before?(system: RemoteSystem): void | Promise<void>;
  /** As soon as a host is in a state; one after the other. */
  readonly when?: readonly Moment[];
  readonly ends: "refused" | "rolled-back" | "held" | "succeeded";
  /** What people are told: the host, and why. */
  readonly says: readonly RegExp[];
  /** The versions that answer once it has ended, while the fault is still there; default all the old, or the new one. */
  readonly versions?: (old: string, fresh: string) => readonly string[];
  /** What HAProxy does with each server then; default every one is in traffic. Null: nobody can ask it. */
  readonly servers?: Readonly<Record<string, string>> | null;
  /** Takes the fault away. What was held is then tried again, and must end rolled back. */
  after?(system: RemoteSystem): void | Promise<void>;
  /** More that must be so. */
  check?(system: RemoteSystem, ended: Ended): void | Promise<void>;
}

const STATUS = { succeeded: 0, refused: 1, "rolled-back": 3, held: 4 } as const;
const SERVING = { "web-1": "ready 100 up", "web-2": "ready 100 up" };

/** A system of two servers, and each of the faults in turn; whatever one leaves, the next one begins with a whole system. */
export function describeFaults(
  title: string,
  faults: readonly Fault[],
  prepare: (system: RemoteSystem) => Promise<void> = () => Promise.resolve(),
  options: Partial<RemoteOptions> = {},
): void {
  describe(title, { skip: without("sshd", "ssh", "ssh-keygen", "haproxy") }, () => {
    let system: RemoteSystem;
    before(async () => {
      const releases = [{ variant: "baseline", version: "2.0.1" }] as const;
      system = await startRemoteSystem({ releases, runbook: "servers.md", ...options });
      await prepare(system);
    });
    after(() => system.stop());
    for (const fault of faults) {
      it(fault.name, { skip: fault.skip ?? false }, () => suffer(system, fault));
    }
  });
}

async function suffer(system: RemoteSystem, fault: Fault): Promise<void> {
  const [old = ""] = await system.versions();
  const fresh = fault.release ?? (old === "2.0.0" ? "2.0.1" : "2.0.0");
  const kept = [system.configFile, system.knownHostsFile].map((file) => [file, readFileSync(file)] as const);
  let ended: Ended;
  try {
    await fault.before?.(system);
    ended = await deploy(system, fresh, fault);
    const told = `${ended.stdout}\n${ended.stderr}`;
    assertEventLines(ended);
    assert.equal(ended.status, STATUS[fault.ends], told);
    if (fault.ends !== "refused") assert.equal(ended.summary["outcome"], fault.ends, told);
    for (const words of fault.says) assert.match(ended.stderr, words);
    const common = Array.from({ length: 2 }, () => (fault.ends === "succeeded" ? fresh : old));
    assert.deepEqual(await system.versions(), fault.versions?.(old, fresh) ?? common);
    if (fault.servers !== null) assert.deepEqual(await system.servers(), fault.servers ?? SERVING);
    await fault.check?.(system, ended);
  } finally {
    await fault.after?.(system);
    for (const [file, content] of kept) writeFileSync(file, content);
  }
  if (fault.ends === "held") await takeBack(system, String(ended.summary["deployment"]));
  const goal = fault.ends === "succeeded" ? fresh : old;
  await becomes(system, goal);
}

async function deploy(system: RemoteSystem, release: string, { when = [] }: Fault): Promise<Ended> {
  const running = system.start(["deploy", "--release", release, "--reason", "a fault"]);
  for (const { host, state, act } of when) {
    await running.event((one) => one["event"] === "host" && one["host"] === host && one["state"] === state);
    await act(system);
  }
  return running.ended;
}

/** What a person does once the cause is gone. */
async function takeBack(system: RemoteSystem, id: string): Promise<void> {
  const answered = await system.sunny(["resolve", id, "--as", "retry", "--reason", "the cause is gone"]);
  const told = `${answered.stdout}\n${answered.stderr}`;
  assert.deepEqual([answered.status, answered.summary["outcome"]], [3, "rolled-back"], told);
  const steps = answered.events.filter((event) => event["event"] === "step");
  const last = steps.findLast((event) => String(event["step"]).endsWith("/rollback"));
  assert.equal(last?.["state"], "done", told);
}

/** Every host answers as one version and is in traffic, at the latest after a few health checks. */
async function becomes(system: RemoteSystem, version: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const seen = [await system.versions(), await system.servers()];
    const wanted = [[version, version], SERVING];
    if (JSON.stringify(seen) === JSON.stringify(wanted)) return;
    if (tries > 200) return assert.deepEqual(seen, wanted);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
