/**
 * Time, processor time and memory of a program with everything that it starts, also what it leaves in the background, and
 * what an earlier call of it left there.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { openSync, closeSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { undoAtEnd } from "../endings.ts";

export interface Measured {
  readonly seconds: number;
  /** User and system time of all its processes. */
  readonly cpuSeconds: number;
  /** Largest sum of proportional set sizes of all its processes at one moment, of those that were looked at. */
  readonly peakPssBytes: number;
  /** Largest number of its processes that were called `ssh`. */
  readonly peakSsh: number;
  /** It was ended when its time was over: `seconds` is a lower bound, the other figures are of the part until then. */
  readonly stopped: boolean;
  readonly stdout: string;
}

const LOOK_MS = 500;

/** What the processes of one tool are known by, over several runs: a variable of their environment. */
export function newMark(): string {
  return `SUNNY_BENCH_MARK=${randomBytes(8).toString("hex")}`;
}

/** Ends what earlier runs left in the background. */
export function endLeft(mark: string): void {
  endAll(mark, 0);
}

/**
 * Runs a program for at most `limitMs`. Its processes are known by `mark`, which SSH does not carry to the hosts; those that
 * an earlier run left count as well, except for the processor time that they had taken by then.
 * Processor time of those that were waited for comes from the shell's `times`; of those that went into the background,
 * from what was seen of them last.
 *
 * @throws Error with the end of its output when it does not end with 0
 */
export async function measure(
  argv: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
  limitMs: number = 900_000,
  mark: string = newMark(),
): Promise<Measured> {
  const [name = "", value = ""] = mark.split("=");
  const taken = new Map(marked(mark).map(({ pid, cpu }) => [pid, cpu]));
  const log = path.join(cwd, "output");
  const out = openSync(log, "w");
  const started = performance.now();
  // What is ended before its end leaves its times as well.
  const wrapped = 'trap : TERM; "$@"; status=$?; times >"$0"; exit $status';
  const child = spawn("sh", ["-c", wrapped, path.join(cwd, "times"), ...argv], {
    cwd,
    env: { ...process.env, ...env, [name]: value },
    stdio: ["ignore", out, out],
  });
  const seen = new Map<number, { orphan: boolean; cpu: number }>();
  let peakPssBytes = 0;
  let peakSsh = 0;
  const look = (): void => {
    const found = marked(mark);
    peakPssBytes = Math.max(
      peakPssBytes,
      found.reduce((sum, one) => sum + one.pss, 0),
    );
    peakSsh = Math.max(peakSsh, found.filter((one) => one.name === "ssh").length);
    for (const { pid, orphan, cpu } of found) seen.set(pid, { orphan, cpu: cpu - (taken.get(pid) ?? 0) });
  };
  let runs = true;
  const undo = undoAtEnd(() => (runs ? endAll(mark, 0) : undefined));
  const timer = setInterval(look, LOOK_MS);
  let stopped = false;
  const limit = setTimeout(() => {
    stopped = true;
    endAll(mark, child.pid ?? 0);
  }, limitMs);
  const status = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  const seconds = (performance.now() - started) / 1000;
  clearTimeout(limit);
  clearInterval(timer);
  runs = false;
  await undo();
  look();
  closeSync(out);
  const stdout = readFileSync(log, "utf8");
  if (status !== 0 && !stopped) throw new Error(`${argv[0]} ended with ${status}: ${stdout.slice(-3000)}`);
  const background = [...seen.values()].reduce((sum, one) => sum + (one.orphan ? one.cpu : 0), 0);
  return { seconds, cpuSeconds: timesOf(path.join(cwd, "times")) + background, peakPssBytes, peakSsh, stopped, stdout };
}

/** Ends what a program started, but not the shell around it, which ends by itself. */
function endAll(mark: string, shell: number): void {
  for (const { pid } of marked(mark)) {
    try {
      if (pid !== shell) process.kill(pid, "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}

interface Process {
  readonly pid: number;
  readonly name: string;
  /** Its parent ended before it did. */
  readonly orphan: boolean;
  readonly cpu: number;
  readonly pss: number;
}

function marked(mark: string): Process[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(mark)) return [];
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const pss = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${name}/smaps_rollup`, "latin1"))?.[1];
      const program = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
      const cpu = (Number(fields[11]) + Number(fields[12])) / 100;
      return [{ pid: Number(name), name: program, orphan: fields[1] === "1", cpu, pss: Number(pss ?? 0) * 1024 }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}

/** The second line of `times` is of the children that were waited for: `0m1.250s 0m0.330s`. */
function timesOf(file: string): number {
  const line = readFileSync(file, "utf8").split("\n")[1] ?? "";
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, one) => sum + Number(one[1]) * 60 + Number(one[2]), 0);
}
