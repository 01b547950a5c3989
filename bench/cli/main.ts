/**
 * What people who work with a system wait for and pay for: `sunny plan` and other verbs as whole processes, and the memory
 * of a deployment that waits for a person. All against the sample system on this machine, which is started for it and
 * ended again. The first call in a clone, which fills the compile cache, is told apart from the others.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { sleep, systemClock } from "../../src/clock.ts";
import { medianOf } from "../analysis/statistics.ts";
import type { BenchRow, RunBench } from "../shape.ts";
import { startBenchSystem, type BenchSystem } from "./system.ts";

const SUNNY = path.resolve(import.meta.dirname, "../../bin/sunny");
const SAMPLES = 15;
/** Of what is slow, or only told beside. */
const FEW = 5;
/** Where a clone keeps what V8 made of its modules (`bin/start.js`, `bin/bundled.js`). */
const CACHE = path.resolve(import.meta.dirname, "../../node_modules/.cache");
const PLAN_BAR_MS = 300;
const MEMORY_BAR_MB = 120;
/** After the last event of a waiting deployment: what it reads meanwhile counts, what is left of its start does not. */
const SETTLE_MS = 20_000;

export const run: RunBench = async ({ log }) => {
  const system = await startBenchSystem();
  try {
    const planned = [...given(system), "plan", "--release", "2.1.0", "--reason", "benchmark"];
    const cold = coldTimes(planned);
    log(`cli: sunny plan in a new clone ${cold.first.ours.toFixed(0)} ms, then ${cold.second.ours.toFixed(0)} ms`);
    const plan = times(planned, SAMPLES);
    log(`cli: sunny plan ${plan.ours.toFixed(0)} ms, a bare start of Node ${plan.node.toFixed(0)} ms`);
    const others = VERBS.map(([name, args]): BenchRow => {
      const pair = times([...given(system), ...args], FEW);
      log(`cli: ${name} ${pair.ours.toFixed(0)} ms`);
      return row(name, pair, "ms", { samples: FEW });
    });
    const fresh = await idleMemory(system);
    const memory = await idleMemory(system);
    log(`cli: a waiting deployment ${memory.ours.toFixed(0)} MB, a bare Node ${memory.node.toFixed(0)} MB`);
    return {
      bench: "cli",
      rows: [
        row("sunny plan", plan, "ms", { samples: SAMPLES }),
        row("sunny plan, first call in a clone", cold.first, "ms", { samples: FEW }),
        row("sunny plan, second call in a clone", cold.second, "ms", { samples: FEW }),
        ...others,
        row("waiting deployment, resident", memory, "MB"),
        // The first of a clone keeps the compiler that made JavaScript of its modules.
        row("waiting deployment, resident, first call in a clone", fresh, "MB"),
      ],
      missing: [],
      bars: [
        bar(`sunny plan takes at most ${PLAN_BAR_MS} ms`, plan.ours, PLAN_BAR_MS),
        bar(`a waiting deployment needs at most ${MEMORY_BAR_MB} MB`, memory.ours, MEMORY_BAR_MB),
      ],
    };
  } finally {
    await system.stop();
  }
};

interface Pair {
  readonly ours: number;
  readonly node: number;
}

function row(name: string, { ours, node }: Pair, unit: string, more: object = {}): BenchRow {
  return { case: name, ours, peers: { node }, unit, ratio: { node: node / ours }, ...more };
}

function bar(text: string, value: number, limit: number): { bar: string; value: number; met: boolean } {
  return { bar: text, value, met: value <= limit };
}

/** What is asked more often than a plan is made. */
const VERBS: readonly (readonly [string, readonly string[]])[] = [
  ["sunny lint", ["lint", path.resolve(import.meta.dirname, "../../examples/payments/RUNBOOK.md")]],
  ["sunny status", ["status"]],
  ["sunny doctor", ["doctor"]],
  ["sunny audit verify", ["audit", "verify"]],
];

/** Medians of both, taken turn by turn; the first pair fills caches. */
function times(args: readonly string[], samples: number): Pair {
  const ours: number[] = [];
  const node: number[] = [];
  for (let i = 0; i <= samples; i++) {
    const pair = [time(SUNNY, args), bareNode()] as const;
    if (i === 0) continue;
    ours.push(pair[0]);
    node.push(pair[1]);
  }
  return { ours: medianOf(ours), node: medianOf(node) };
}

/** The first call compiles every module and keeps what came of it; the second has to find that. */
function coldTimes(args: readonly string[]): { readonly first: Pair; readonly second: Pair } {
  const [first, second, node]: [number[], number[], number[]] = [[], [], []];
  for (let i = 0; i < FEW; i++) {
    rmSync(path.join(CACHE, "compile"), { recursive: true, force: true });
    for (const code of globSync(path.join(CACHE, "bundle/*/*.code"))) rmSync(code);
    first.push(time(SUNNY, args));
    second.push(time(SUNNY, args));
    node.push(bareNode());
  }
  const bare = medianOf(node);
  return { first: { ours: medianOf(first), node: bare }, second: { ours: medianOf(second), node: bare } };
}

function bareNode(): number {
  return time(process.execPath, ["-e", "0"]);
}

function given(system: BenchSystem): string[] {
  return ["--config", system.config, "--as", "operator"];
}

function time(program: string, args: readonly string[]): number {
  const begun = performance.now();
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  const took = performance.now() - begun;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed: ${stderr}`);
  return took;
}

/** Resident memory of a deployment that waits for attestations and approvals, MB of 1,048,576 bytes. */
async function idleMemory(system: BenchSystem): Promise<Pair> {
  const args = ["--json", ...given(system), "deploy", "--release", "2.1.0", "--reason", "benchmark"];
  const child = spawn(SUNNY, args, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await isWaiting(child);
    await sleep(systemClock, SETTLE_MS);
    const ours = residentMb(child.pid ?? 0);
    return { ours, node: await bareNodeMb() };
  } finally {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "close");
  }
}

async function isWaiting({ stdout }: ChildProcess): Promise<void> {
  if (stdout === null) throw new Error("the deployment has no output");
  for await (const line of createInterface({ input: stdout })) {
    const event = JSON.parse(line) as { event: string; state?: string };
    if (event.event === "deployment" && event.state === "waiting") {
      // Whoever stops to read stops the writer.
      stdout.resume();
      return;
    }
  }
  throw new Error("the deployment ended instead of waiting");
}

async function bareNodeMb(): Promise<number> {
  const child = spawn(process.execPath, ["-e", "console.log(1); setInterval(() => {}, 1000)"]);
  await once(child.stdout, "data");
  const resident = residentMb(child.pid ?? 0);
  child.kill();
  return resident;
}

function residentMb(pid: number): number {
  if (process.platform === "linux") {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kib) / 1024;
  }
  return Number(spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).stdout) / 1024;
}
