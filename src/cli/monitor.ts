import process from "node:process";
import { sleep } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { Rule } from "../analysis/rule.ts";
import type { Verdict } from "../analysis/verdict.ts";
import { renderSnapshot } from "../operations/monitor/render.ts";
import type { MonitorSnapshot } from "../operations/monitor/snapshot.ts";
import type { Sunny } from "../main.ts";
import type { Configure } from "./configure.ts";
import type { CliContext } from "./context.ts";
import { occupantOf } from "./occupied.ts";
import { EXIT } from "./output.ts";
import { planOf } from "./runs.ts";
import { openScreen } from "./view/screen.ts";

const HOUR_MS = 3_600_000;
/** Without --seconds it goes on until Ctrl-C. */
const NO_END_MS = 24 * HOUR_MS * 365;
/** How often the intervals that another process keeps are looked for. */
const LOOK_MS = 500;

interface Options {
  readonly seconds?: string;
  readonly runbook?: string;
  readonly alert?: boolean;
}

export const configure: Configure = (command, context) => {
  command
    .option("--seconds <n>", "how long to watch (default: until Ctrl-C)")
    .option("--runbook <file>", "instead of the configured one")
    .option("--alert", "tell the configured channels too; a deployment that runs does so by itself")
    .description(
      "Watch the service against the limits of the runbook: the arms of the deployment that runs, else every host. Exits with 1 when a rule is degraded or blind at the end, or when nothing was seen.",
    )
    .action(async (options: Options) => {
      const plannedMs = durationOf(options.seconds);
      const sunny = await context.sunny();
      const occupant = occupantOf(sunny);
      const isWatched =
        occupant !== null && sunny.isCarriedOut(occupant) && (await sunny.watch()).snapshot(occupant) !== null;
      const board = openBoard(context);
      const end = isWatched
        ? await followRun(context, sunny, occupant, plannedMs ?? NO_END_MS, board).finally(() => board.close())
        : await watchByHand(context, sunny, options, plannedMs, board).finally(() => board.close());
      context.output.summary({ deployment: isWatched ? occupant : null, ...end });
      if (context.signal.aborted) context.exit(EXIT.interrupted);
      else if (end.verdict === "degraded" || end.verdict === "blind" || end.intervals === 0) context.exit(EXIT.refused);
    });
};

interface MonitorEnd {
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  readonly intervals: number;
}

function durationOf(seconds: string | undefined): number | null {
  if (seconds === undefined) return null;
  if (Number(seconds) > 0 && Number.isFinite(Number(seconds))) return Number(seconds) * 1000;
  throw new SunnyError("USAGE", `--seconds takes a number of seconds, not "${seconds}"`, {
    hint: "For example --seconds 60.",
  });
}

async function watchByHand(
  context: CliContext,
  sunny: Sunny,
  { runbook, alert }: Options,
  plannedMs: number | null,
  board: Board,
): Promise<MonitorEnd> {
  const { output, clock, signal } = context;
  const changed = new AbortController();
  const live = await sunny.watchNow({
    signal,
    plannedMs: plannedMs ?? HOUR_MS,
    onVerdict: () => board.show(live.rules, live.watcher.snapshot()),
    onNote: (note) => board.note(note),
    ...(runbook === undefined ? {} : { runbook }),
    ...(alert === undefined ? {} : { alert }),
  });
  live.watcher.done.catch((error: unknown) => changed.abort(error));
  board.note(`Intervals of ${live.intervalMs / 1000} s: ${live.reason}.`);
  for (const problem of live.problems) board.note(problem);
  output.event("watching", { deployment: null, intervalMs: live.intervalMs, reason: live.reason });
  const end = AbortSignal.any([signal, changed.signal]);
  await sleep(clock, plannedMs ?? NO_END_MS, end).catch(() => {});
  // What ended by itself ended because of an error, which is the result then.
  try {
    await live.watcher.stop();
  } finally {
    await live.told();
  }
  const { verdict, reasons, intervals } = live.watcher.judgement();
  return { verdict, reasons, intervals };
}

/** Shows what the process that carries the run out keeps, until it ends, stands still, or the time is over. */
async function followRun(context: CliContext, sunny: Sunny, id: string, ms: number, board: Board): Promise<MonitorEnd> {
  const { output, clock, signal } = context;
  const run = sunny.journal.read.run(id);
  if (run === undefined) throw new Error(`the occupant ${id} is not in the journal`);
  const { rules } = planOf(run);
  board.note(`Watching with ${id}, which has the environment.`);
  output.event("watching", { deployment: id });
  const until = clock.monotonic() + ms;
  const watch = await sunny.watch();
  let shown = -1;
  let last: MonitorSnapshot | null = null;
  for (;;) {
    const snapshot = watch.snapshot(id);
    if (snapshot !== null && snapshot.intervals !== shown) {
      shown = snapshot.intervals;
      last = snapshot;
      board.show(rules, snapshot);
    }
    if (signal.aborted || clock.monotonic() >= until || !sunny.isCarriedOut(id)) break;
    await sleep(clock, Math.min(LOOK_MS, until - clock.monotonic()), signal).catch(() => {});
  }
  if (!signal.aborted && !sunny.isCarriedOut(id)) board.note(`${id} is not carried out any more: nobody watches.`);
  return { verdict: last?.verdict ?? "blind", reasons: last?.reasons ?? [], intervals: last?.intervals ?? 0 };
}

interface Board {
  show(rules: readonly Rule[], snapshot: MonitorSnapshot): void;
  note(text: string): void;
  close(): void;
}

/** In a terminal one view that is drawn over itself, elsewhere a paragraph for each interval. */
function openBoard({ output, clock, interactive }: CliContext): Board {
  if (!interactive) {
    return {
      show(rules, snapshot) {
        output.event("monitor", { snapshot });
        if (!output.json) output.text(renderSnapshot(rules, snapshot).join("\n"));
      },
      note: (text) => output.note(text),
      close: () => {},
    };
  }
  let draw: (width: number) => readonly string[] = () => [];
  const screen = openScreen(process.stdout, clock, (width) => draw(width).flatMap((line) => wrapped(line, width)));
  return {
    show(rules, snapshot) {
      draw = (width) => renderSnapshot(rules, snapshot, width);
      screen.refresh();
    },
    note: (text) => screen.above(text),
    close: () => screen.close(),
  };
}

/** Breaks a line between words; what follows is indented. */
function wrapped(line: string, width: number): string[] {
  const rows: string[] = [];
  const indent = line.length - line.trimStart().length + 2;
  let rest = line;
  while (rest.length > width) {
    const at = rest.lastIndexOf(" ", width);
    const cut = at > rest.length - rest.trimStart().length ? at : width;
    rows.push(rest.slice(0, cut).trimEnd());
    rest = `${" ".repeat(indent)}${rest.slice(cut).trimStart()}`;
  }
  return [...rows, rest];
}
