/** How long people wait before anything happens: `sunny --version` and `sunny --help` against a bare start of Node. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { medianOf } from "../analysis/statistics.ts";
import type { BenchRow, RunBench } from "../shape.ts";

const SAMPLES = 25;
const BAR = 2;
const ROOT = path.join(import.meta.dirname, "..", "..");
const SUNNY = path.join(ROOT, "bin", "sunny");

export const run: RunBench = ({ log }) => {
  const bare: readonly string[] = [process.execPath, "-e", "0"];
  const cases: [string, readonly string[]][] = [
    ["sunny --version", [SUNNY, "--version"]],
    ["sunny --help", [SUNNY, "--help"]],
  ];
  const rows = cases.map(([name, argv]): BenchRow => {
    const [ours, node] = pairs(argv, bare);
    log(`start: ${name} ${ours.toFixed(0)} ms, node ${node.toFixed(0)} ms`);
    return { case: name, ours, peers: { node }, unit: "ms", ratio: { node: node / ours }, samples: SAMPLES };
  });
  const cost = 1 / rows[0]!.ratio["node"]!;
  const bar = `sunny --version takes at most ${BAR} times a bare start of Node`;
  return Promise.resolve({ bench: "start", rows, missing: [], bars: [{ bar, value: cost, met: cost <= BAR }] });
};

/** Medians of both, taken turn by turn, so that whatever else the machine does hits both alike. */
function pairs(ours: readonly string[], theirs: readonly string[]): [number, number] {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i <= SAMPLES; i++) {
    const pair = [time(ours), time(theirs)] as const;
    // The first fills caches.
    if (i === 0) continue;
    times[0].push(pair[0]);
    times[1].push(pair[1]);
  }
  return [medianOf(times[0]), medianOf(times[1])];
}

function time([program = "", ...args]: readonly string[]): number {
  const begun = performance.now();
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8", cwd: ROOT });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed: ${stderr}`);
  return performance.now() - begun;
}
