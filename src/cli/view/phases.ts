import type { DrawOptions } from "./sections.ts";
import { duration } from "./format.ts";
import type { StepState, ViewModel, ViewPhase, ViewStep } from "./model.ts";
import { column, span, spread, type Line, type Span } from "./span.ts";
import { stepMark } from "./theme.ts";

/** What goes first when there is no room. */
const STEP_OVER = 0;
const STEP_PENDING = 1;
const PHASE_OVER = 2;
const PHASE_PENDING = 3;
const STAYS = 4;

interface Row {
  readonly keep: number;
  readonly line: Line;
}

/**
 * Phases with their steps. A phase that is over is one line; one that has not begun as well; the others show their
 * steps. With a `limit` lower than that, steps that are over go first, then steps that wait, then whole phases: what
 * runs, is held or failed always stays.
 */
export function phases(model: ViewModel, limit: number, options: DrawOptions): Line[] {
  const rows = model.phases.flatMap((phase) => phaseRows(phase, options));
  const order = [...rows.keys()].toSorted((a, b) => (rows[a]?.keep ?? 0) - (rows[b]?.keep ?? 0) || a - b);
  const droppable = order.filter((index) => (rows[index]?.keep ?? STAYS) < STAYS);
  const dropped = new Set(droppable.slice(0, Math.max(0, rows.length - limit)));
  return rows.filter((_, index) => !dropped.has(index)).map((row) => row.line);
}

/** How many lines the phases take when nothing but their urgent steps is shown. */
export function leastPhaseLines(model: ViewModel): number {
  const urgent = model.phases.flatMap((phase) => phase.steps).filter((step) => keepStep(step) === STAYS);
  return model.phases.length + urgent.length;
}

function phaseRows(phase: ViewPhase, options: DrawOptions): Row[] {
  const state = phaseState(phase);
  const open = state === "running" || state === "failed" || state === "held";
  const keep = open ? STAYS : state === "pending" ? PHASE_PENDING : PHASE_OVER;
  const steps = (open ? phase.steps : []).map((step) => ({ keep: keepStep(step), line: stepLine(step, options) }));
  return [{ keep, line: phaseLine(phase, options) }, ...steps];
}

function keepStep({ state }: ViewStep): number {
  if (state === "running" || state === "failed" || state === "held") return STAYS;
  return state === "pending" ? STEP_PENDING : STEP_OVER;
}

/** What state a phase is in, from its steps: the most urgent one decides. */
export function phaseState(phase: ViewPhase): StepState {
  const has = (state: StepState): boolean => phase.steps.some((step) => step.state === state);
  for (const state of ["failed", "held", "running"] as const) if (has(state)) return state;
  const begun = phase.steps.some((step) => step.state !== "pending");
  if (has("pending")) return begun ? "running" : "pending";
  if (phase.steps.every((step) => step.state === "skipped")) return "skipped";
  return has("reverted") ? "reverted" : "done";
}

/** Cells of the column with the times; the count of steps stands before it. */
const TIME = 13;

function phaseLine(phase: ViewPhase, { width, symbols }: DrawOptions): Line {
  const state = phaseState(phase);
  const { mark, tone } = stepMark(state, symbols);
  const ms = phase.steps.reduce((sum, step) => sum + (step.ms ?? 0), 0);
  const title = state === "pending" || state === "skipped" ? "dim" : state === "running" ? "bold" : "plain";
  const left: Span[] = [span(" "), span(mark, tone), span(` ${phase.title}`, title)];
  const special = exceptions(phase);
  if (special !== "") left.push(span(`  ${special}`, "dim"));
  const over = count(phase, "done", "skipped", "attested", "reverted");
  const right = `${over}/${phase.steps.length}${column(ms === 0 ? "" : duration(ms), TIME, symbols.ellipsis, "right")}`;
  return spread(left, [span(right, "dim")], width, symbols.ellipsis);
}

/** What did not simply run: "2 attested, 1 skipped". */
function exceptions(phase: ViewPhase): string {
  const special = (["attested", "skipped", "reverted"] as const).filter((state) => count(phase, state) > 0);
  return special.map((state) => `${count(phase, state)} ${state}`).join(", ");
}

function count(phase: ViewPhase, ...states: StepState[]): number {
  return phase.steps.filter((step) => states.includes(step.state)).length;
}

function stepLine(step: ViewStep, { width, symbols }: DrawOptions): Line {
  const { mark, tone } = stepMark(step.state, symbols);
  const title = step.state === "pending" || step.state === "skipped" ? "dim" : "plain";
  const left: Span[] = [span("     "), span(mark, tone), span(` ${step.title}`, title)];
  if (step.note !== undefined && step.note !== "") {
    left.push(span(`  ${step.note}`, step.state === "failed" ? "bad" : "dim"));
  }
  return spread(left, step.ms === undefined ? [] : [span(duration(step.ms), "dim")], width, symbols.ellipsis);
}
