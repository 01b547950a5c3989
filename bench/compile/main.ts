/** Reading runbooks of growing size against the Markdown parser alone: the time has to grow with the size, no faster. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { GFM, Strikethrough, Table, TaskList, parser } from "@lezer/markdown";
import { parseRunbook } from "../../src/runbook/parse.ts";
import { medianOf } from "../analysis/statistics.ts";
import type { BenchRow, RunBench } from "../shape.ts";

const KIB = [16, 64, 256, 1_024] as const;
const SAMPLES = 9;
const BAR = 2;
/** The exponent of the growth: 1 is linear, and noise of the machine is allowed for. */
const LINEAR = 1.15;
const RUNBOOK = path.join(import.meta.dirname, "..", "..", "examples", "payments", "RUNBOOK.md");
const PEERS = {
  "@lezer/markdown": parser.configure(GFM),
  /** Without bare URLs, which Sunny does not look for. */
  "@lezer/markdown-same-extensions": parser.configure([Table, TaskList, Strikethrough]),
} as const;

export const run: RunBench = ({ log }) => {
  const one = readFileSync(RUNBOOK, "utf8");
  const rows = KIB.map((kib): BenchRow => {
    const text = runbookOf(one, kib * 1_024);
    const { ours, peers, ratio } = measure(text);
    log(`compile: ${kib} KiB ${ours.toFixed(1)} ms, @lezer/markdown alone ${peers["@lezer/markdown"]!.toFixed(1)} ms`);
    return { case: `${kib} KiB of runbook`, ours, peers, unit: "ms", ratio, samples: SAMPLES };
  });
  const [first, last] = [rows[1]!, rows.at(-1)!];
  const cost = 1 / last.ratio["@lezer/markdown"]!;
  const growth = Math.log(last.ours / first.ours) / Math.log(KIB.at(-1)! / KIB[1]);
  const bars = [
    { bar: `1 MiB takes at most ${BAR} times the Markdown parser alone`, value: cost, met: cost <= BAR },
    {
      bar: `time grows with the size to the power of ${LINEAR} at most, ${KIB[1]} KiB to 1 MiB`,
      value: growth,
      met: growth <= LINEAR,
    },
  ];
  return Promise.resolve({ bench: "compile", rows, missing: [], bars });
};

/** A runbook of that many bytes: the sample's own, its sections again and again under headings of their own. */
function runbookOf(one: string, bytes: number): string {
  const parts: string[] = [one];
  for (let size = one.length, i = 1; size < bytes; i++) {
    const again = one.replaceAll(/^(#+ .*)$/gm, `$1 ${i}`);
    parts.push(again);
    size += again.length + 1;
  }
  return parts.join("\n").slice(0, bytes);
}

/** Medians; the ratios are those of pairs taken turn by turn, so that a busy machine hits both alike. */
function measure(text: string): Pick<BenchRow, "ours" | "peers" | "ratio"> {
  const ours: number[] = [];
  const theirs: Record<string, number[]> = {};
  for (let i = 0; i <= SAMPLES; i++) {
    const own = time(() => parseRunbook(text, "RUNBOOK.md"));
    // The first warms up.
    if (i > 0) ours.push(own);
    for (const [name, peer] of Object.entries(PEERS)) {
      const taken = time(() => peer.parse(text));
      if (i > 0) (theirs[name] ??= []).push(taken);
    }
  }
  const medians = Object.entries(theirs).map(([name, times]) => [name, medianOf(times)]);
  const ratios = Object.entries(theirs).map(([name, times]) => [name, medianOf(times.map((one, i) => one / ours[i]!))]);
  return { ours: medianOf(ours), peers: Object.fromEntries(medians), ratio: Object.fromEntries(ratios) };
}

function time(work: () => unknown): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}
