import type { Millis } from "../../clock.ts";
import { bar, sparkline } from "./draw.ts";
import { duration, figure, shortDigest, timeOfDay } from "./format.ts";
import type { ViewHost, ViewLog, ViewModel, ViewRule } from "./model.ts";
import { cells, column, span, spread, type Line, type Span, wrap } from "./span.ts";
import { hostTone, stateTone, verdictTone, type Symbols } from "./theme.ts";

/** What each section is drawn with. */
export interface DrawOptions {
  /** Cells of a line. */
  readonly width: number;
  readonly symbols: Symbols;
  readonly now: Millis;
}

/** The left edge of everything, and of the second column. */
const MARGIN = " ";
const LABEL = 10;

/** The one sentence that everybody looks for gets this much room. */
const REASON_LINES = 3;

/** Service, environment, versions; state and time at the right. Then deployment, plan and reason. */
export function header(model: ViewModel, { width, symbols, now }: DrawOptions): Line[] {
  const { service, environment, from, to, state } = model;
  const tone = stateTone(state);
  const versions = to === null ? "" : from === null ? to : `${from} ${symbols.arrow} ${to}`;
  const left: Line = [
    span(MARGIN),
    span(service, "bold"),
    span(`  ${environment}`, "dim"),
    span(`  ${versions}`, "bold"),
  ];
  const elapsed = duration((model.ended ?? now) - model.started);
  const right: Line = [span(`${symbols.dot} ${state.replaceAll("-", " ")}`, tone), span(`  ${elapsed}`)];
  const parts = [model.deployment, `plan ${shortDigest(model.planDigest)}`, `since ${timeOfDay(model.started)} UTC`];
  const lines = [
    spread(left, right, width, symbols.ellipsis),
    [span(MARGIN), span(parts.join(` ${symbols.separator} `), "dim")],
  ];
  const reason = wrap(model.reason ?? "", width - MARGIN.length, REASON_LINES, symbols.ellipsis);
  return [...lines, ...reason.map((text) => [span(MARGIN), span(text, tone)])];
}

/** A labelled line: the label in a column of its own. */
function labelled(label: string, rest: Line, { symbols }: DrawOptions): Line {
  return [span(MARGIN), span(column(label, LABEL, symbols.ellipsis), "dim"), ...rest];
}

/** What ends by itself: a bar, and how long it still takes. */
export function progress(model: ViewModel, options: DrawOptions): Line[] {
  const { width, symbols, now } = options;
  if (model.progress === null) return [];
  const { title, what, since, until } = model.progress;
  const [total, passed] = [Math.max(1, until - since), Math.max(0, now - since)];
  const left = passed < total ? `${duration(total - passed)} left` : "ending";
  const words = `  ${what === undefined ? "" : `${what}, `}${left} of ${duration(total)}`;
  const barWidth = Math.max(8, Math.min(40, width - LABEL - 1 - cells(words)));
  return [labelled(title, [...bar(passed / total, barWidth, symbols), span(words)], options)];
}

/** One bar of the traffic: the share of the version that is deployed is filled. */
export function traffic(model: ViewModel, options: DrawOptions): Line[] {
  if (model.traffic.length === 0) return [];
  const { width, symbols } = options;
  const words = model.traffic.map(({ version, percent }) => `${version} ${figure(percent, "%")}`);
  const text = `  ${words.join(` ${symbols.separator} `)}`;
  const share = model.traffic
    .filter(({ version }) => version === model.to)
    .reduce((sum, { percent }) => sum + percent, 0);
  const barWidth = Math.max(8, Math.min(40, width - LABEL - 1 - cells(text)));
  return [labelled("Traffic", [...bar(share / 100, barWidth, symbols), span(text)], options)];
}

/** Up to this many hosts get a line of their own; up to this many lines a grid of all of them is drawn. */
const HOST_LINES = 6;
const GRID_LINES = 8;

/** Hosts: a line each when there are few, a grid when there are more, counts and the ones at work when there are many. */
export function hosts(model: ViewModel, options: DrawOptions): Line[] {
  const list = model.hosts;
  if (list.length === 0) return [];
  const name = Math.min(24, Math.max(...list.map((host) => cells(host.name))));
  const version = Math.min(16, Math.max(...list.map((host) => cells(host.version ?? "?"))));
  const grid = (some: readonly ViewHost[]): Line[] => hostGrid(some, name, version, options);
  const busy = list.filter((host) => host.state !== "serving");
  const rows =
    list.length <= HOST_LINES
      ? list.map((host) => hostLine(host, name, version, model.to, options.symbols))
      : grid(list).length <= GRID_LINES
        ? grid(list)
        : [hostCounts(list, options), ...grid(busy).slice(0, GRID_LINES - 1)];
  return rows.map((row, index) => labelled(index === 0 ? "Hosts" : "", row, options));
}

/** "612 serving 2.0.0, 380 serving 2.1.0, 8 activating 2.1.0", the largest group first. */
function hostCounts(list: readonly ViewHost[], { symbols }: DrawOptions): Line {
  const groups = Map.groupBy(list, (host) => `${host.state} ${host.version ?? "?"}`);
  const ordered = [...groups].toSorted(([, a], [, b]) => b.length - a.length);
  return [span(ordered.map(([key, group]) => `${group.length} ${key}`).join(` ${symbols.separator} `))];
}

function hostLine(host: ViewHost, name: number, version: number, to: string | null, symbols: Symbols): Line {
  const { ellipsis } = symbols;
  const tone = hostTone(host.state);
  const weight = host.weight === null ? "" : figure(host.weight, "%");
  const sessions = host.sessions === null ? "" : `${host.sessions} open`;
  return [
    span(host.state === "down" || host.state === "drained" ? symbols.ring : symbols.dot, tone),
    span(` ${column(host.name, name, ellipsis)}  `),
    span(column(host.version ?? "?", version, ellipsis), host.version === to ? "bold" : "plain"),
    span(`  ${column(host.state, 10, ellipsis)}`, tone === "good" ? "dim" : tone),
    span(column(weight, 8, ellipsis, "right")),
    span(column(sessions, 12, ellipsis, "right"), "dim"),
  ];
}

function hostGrid(list: readonly ViewHost[], name: number, version: number, { width, symbols }: DrawOptions): Line[] {
  const cell = 2 + name + 1 + version + 3;
  const perLine = Math.max(1, Math.floor((width - LABEL - 1) / cell));
  const rows: Line[] = [];
  for (let i = 0; i < list.length; i += perLine) {
    rows.push(
      list
        .slice(i, i + perLine)
        .flatMap((host): Span[] => [
          span(host.state === "down" || host.state === "drained" ? symbols.ring : symbols.dot, hostTone(host.state)),
          span(` ${column(host.name, name, symbols.ellipsis)} `),
          span(column(host.version ?? "?", version + 3, symbols.ellipsis), "dim"),
        ]),
    );
  }
  return rows;
}

/** From this width on the evidence is shown beside the verdict. */
const WIDE = 100;

/** Watched limits: name, value against limit, a sparkline, the verdict with its evidence. The arm is the label when there is one only. */
export function rules(model: ViewModel, options: DrawOptions): Line[] {
  const list = model.rules;
  if (list.length === 0) return [];
  const { width } = options;
  const arms = new Set(list.map((rule) => rule.arm));
  const names = list.map((rule) => (arms.size === 1 ? rule.name : `${rule.name}, ${rule.arm}`));
  const name = Math.min(32, Math.max(...names.map((text) => cells(text))));
  const value = Math.max(...list.map((rule) => cells(valueOf(rule))));
  const evidence = width >= WIDE ? Math.max(...list.map((rule) => cells(rule.evidence ?? ""))) + 2 : 0;
  const spark = Math.min(40, width - (1 + LABEL + name + 2 + value + 2 + 2 + VERDICT + evidence));
  const label = arms.size === 1 ? capital([...arms][0] ?? "") : "Watching";
  return list.map((rule, index) => {
    const row = ruleLine(rule, names[index] ?? "", { name, value, spark, evidence }, options.symbols);
    return labelled(index === 0 ? label : "", row, options);
  });
}

const VERDICT = 9;

function valueOf({ value, limit, unit, baseline }: ViewRule): string {
  if (limit !== null) return `${figure(value, "")} of ${figure(limit, unit)}`;
  return baseline === undefined || baseline === null
    ? figure(value, unit)
    : `${figure(value, "")} to ${figure(baseline, unit)}`;
}

function capital(word: string): string {
  return `${word[0]?.toUpperCase() ?? ""}${word.slice(1)}`;
}

interface RuleWidths {
  readonly name: number;
  readonly value: number;
  /** Left out below 6. */
  readonly spark: number;
  /** 0 leaves it out. */
  readonly evidence: number;
}

function ruleLine(rule: ViewRule, name: string, widths: RuleWidths, symbols: Symbols): Line {
  const line: Span[] = [
    span(`${column(name, widths.name, symbols.ellipsis)}  `),
    span(column(valueOf(rule), widths.value, symbols.ellipsis, "right"), rule.verdict === "degraded" ? "bad" : "plain"),
    span("  "),
  ];
  if (widths.spark >= 6) line.push(...sparkline(rule.recent, rule.limit, widths.spark, symbols), span("  "));
  line.push(span(column(rule.verdict, VERDICT, symbols.ellipsis), verdictTone(rule.verdict)));
  if (widths.evidence > 0 && rule.evidence !== undefined) line.push(span(`  ${rule.evidence}`, "dim"));
  return line;
}

/** What a person must do, and the command that does it. */
export function waiting(model: ViewModel, options: DrawOptions): Line[] {
  if (model.waiting === null) return [];
  const { now, symbols, width } = options;
  const { for: what, since, until, command } = model.waiting;
  const times = [duration(now - since), ...(until === null ? [] : [`ends in ${duration(until - now)}`])];
  const left: Line = [span(MARGIN), span(`${symbols.pointer} Waiting for ${what}`, "accent")];
  const line = spread(left, [span(times.join(` ${symbols.separator} `), "dim")], width, symbols.ellipsis);
  return command === undefined ? [line] : [line, [span(`${MARGIN}  `), span(command, "bold")]];
}

/** What is wrong, newest last. */
export function problems(model: ViewModel, { symbols }: DrawOptions): Line[] {
  return model.problems.map((text) => [span(MARGIN), span(`${symbols.failed} `, "bad"), span(text)]);
}

/** The last `count` lines of output. */
export function log(entries: readonly ViewLog[], count: number, { symbols }: DrawOptions): Line[] {
  return (count <= 0 ? [] : entries.slice(-count)).map(({ at, text, step }) => [
    span(MARGIN),
    span(`${timeOfDay(at)}  `, "dim"),
    ...(step === undefined ? [] : [span(`${step} ${symbols.separator} `, "dim")]),
    span(text, "dim"),
  ]);
}
