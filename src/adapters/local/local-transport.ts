import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import type { Readable } from "node:stream";
import type { Clock } from "../../clock.ts";
import { RetryableError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import { readSentinel, withSentinel } from "../../operations/rollout/transport.ts";
import type { ScriptOptions, ScriptResult, Transport } from "../../operations/rollout/transport.ts";

const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** After the shell is gone, something it left behind may hold its output open for this long. */
const LINGER_MS = 1_000;

/** What a script of this machine may know of the environment; secrets of the caller's stay out. */
const PASSED = ["PATH", "HOME", "USER", "LOGNAME", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/** Hosts that are directories of this machine: every script is a shell in a process group of its own. */
export function localTransport(clock: Clock, env: NodeJS.ProcessEnv = process.env): Transport {
  const passed = Object.fromEntries(PASSED.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
  return {
    run: (host, script, options) => runShell(host, script, options, clock, passed),
  };
}

async function runShell(
  host: string,
  script: string,
  options: ScriptOptions,
  clock: Clock,
  env: NodeJS.ProcessEnv,
): Promise<ScriptResult> {
  const { signal, payloadPath } = options;
  if (signal?.aborted === true) return { status: null, stdout: "", stderr: "", ended: "aborted" };
  const payload = payloadPath === undefined ? null : openSync(payloadPath, "r");
  const marker = `@sunny-end-${randomBytes(8).toString("hex")}`;
  const child = spawn("sh", ["-s"], {
    detached: true,
    cwd: "/",
    env,
    stdio: ["pipe", "pipe", "pipe", payload ?? "ignore"],
  });
  if (payload !== null) closeSync(payload);
  let ended: ScriptResult["ended"] = null;
  const end = (why: "deadline" | "aborted"): void => {
    ended ??= why;
    killGroup(child);
  };
  const onAbort = (): void => end("aborted");
  signal?.addEventListener("abort", onAbort, { once: true });
  const cancel = clock.timer(options.deadlineMs, () => end("deadline"));
  try {
    const stdout = collect(child.stdout!);
    const stderr = collect(child.stderr!);
    // The shell may be gone before it has read everything; its missing sentinel says so.
    child.stdin!.on("error", () => {});
    child.stdin!.end(withSentinel(script, marker));
    await closed(child, clock);
    const answer = readSentinel(stdout(), marker);
    return { ...answer, stderr: stderr(), ended: answer.status === null ? (ended ?? "cut") : null };
  } catch (error) {
    throw new RetryableError("HOST_UNREACHABLE", `${host}: cannot start a shell: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

/** Resolves when the shell is gone and its output was read; rejects when it never ran. */
function closed(child: ChildProcess, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    let cancel: (() => void) | undefined;
    child.once("error", reject);
    child.once("exit", () => {
      cancel = clock.timer(LINGER_MS, () => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      });
    });
    child.once("close", () => {
      cancel?.();
      resolve();
    });
  });
}

/** Collects a stream's end: when it is longer than allowed, its first part is dropped, since the result comes last. */
function collect(stream: Readable): () => string {
  let chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > 2 * MAX_OUTPUT_BYTES) {
      const kept = Buffer.concat(chunks).subarray(-MAX_OUTPUT_BYTES);
      chunks = [kept];
      size = kept.length;
    }
  });
  return () => Buffer.concat(chunks).subarray(-MAX_OUTPUT_BYTES).toString("utf8");
}
