import { resourceOf } from "../../analysis/rule.ts";
import { sleep } from "../../clock.ts";
import { defineOperation, type Finding, type Operation, type OperationCall } from "../../operation.ts";
import { bad, bytesText, concluded, durationText, good, looked, noArguments, readStep } from "./findings.ts";
import { LEAST_SAMPLES, LEAST_WINDOW_MS, memoryTrend, type MemoryTrend } from "./leak.ts";
import type { CheckPorts, MemoryReading } from "./ports.ts";

/** Part of its memory that a service may use, where the runbook's thresholds say nothing else. */
const DEFAULT_LIMIT = 0.85;
/** A heap this full is collected all the time. */
const HEAP_LIMIT = 0.9;
/** A service that has just started is waited for, so that there is a trend to look at. */
const WAIT_MS = 15_000;
const POLL_MS = 1_000;

type MemoryPorts = Pick<CheckPorts, "clock" | "memory" | "monitoring">;

/** `analyze-memory`: use against the limit, and what stays in memory over the last minutes, for every host. */
export function analyzeMemoryOperation(ports: MemoryPorts): Operation {
  return defineOperation({
    name: "analyze-memory",
    script: "sh",
    title: "Analyses the memory of the service on every host: use, limit, leaks",
    args: noArguments,
    changes: [],
    deadlineMs: 120_000,
    run: async (ctx, call) => {
      const findings = await readStep(ctx, call, "analyze", 120_000, (scope) => analyze(ports, call, scope.signal));
      return concluded(findings, `No host leaks memory or is near its limit`);
    },
  });
}

async function analyze(ports: MemoryPorts, call: OperationCall<unknown>, signal: AbortSignal): Promise<Finding[]> {
  const limit = await memoryLimit(ports, signal);
  const hosts = call.system.hosts.map(({ name }) => name);
  const each = await Promise.all(
    hosts.map((host) =>
      looked(`memory of ${host}`, signal, async () => hostFindings(host, await enough(ports, host, signal), limit)),
    ),
  );
  return each.flat();
}

/** The runbook's own threshold, a share; the default where it has none or cannot be asked. */
async function memoryLimit({ monitoring }: MemoryPorts, signal: AbortSignal): Promise<number> {
  try {
    const { rules } = await monitoring.monitored(signal);
    const own = rules.flatMap((rule) => ("limit" in rule && resourceOf(rule) === "memory" ? [rule.limit] : []));
    return own[0] ?? DEFAULT_LIMIT;
  } catch (error) {
    if (signal.aborted) throw error;
    return DEFAULT_LIMIT;
  }
}

/** Asks again until there are samples enough for a trend, or the wait is over. */
async function enough({ memory, clock }: MemoryPorts, host: string, signal: AbortSignal): Promise<MemoryReading> {
  const until = clock.monotonic() + WAIT_MS;
  for (;;) {
    const reading = await memory.memory(host, signal);
    const { samples } = reading;
    const window = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0);
    if ((samples.length >= LEAST_SAMPLES && window >= LEAST_WINDOW_MS) || clock.monotonic() >= until) return reading;
    await sleep(clock, POLL_MS, signal);
  }
}

function hostFindings(host: string, reading: MemoryReading, limit: number): Finding[] {
  const { residentBytes, limitBytes, heapUsedBytes, heapLimitBytes, samples } = reading;
  const subject = `memory of ${host}`;
  const use = residentBytes / limitBytes;
  const figures = `${percent(use)} of ${bytesText(limitBytes)} in use, the limit is ${percent(limit)}`;
  const findings = [use > limit ? bad(subject, figures) : good(subject, figures)];
  const heap = heapUsedBytes / heapLimitBytes;
  if (heap > HEAP_LIMIT) {
    findings.push(
      bad(subject, `its heap is ${percent(heap)} full: ${bytesText(heapUsedBytes)} of ${bytesText(heapLimitBytes)}`),
    );
  }
  const trend = memoryTrend(samples, limitBytes);
  if (trend === null) findings.push(good(subject, `runs too short for a trend: ${samples.length} samples`));
  else
    findings.push(
      trend.leaks ? bad(subject, `leaks: ${trendText(trend)}`) : good(subject, `no leak: ${trendText(trend)}`),
    );
  return findings;
}

function trendText({ leaks, bytesPerSecond, windowMs, bytesPerRequest, msToLimit }: MemoryTrend): string {
  const rate = `${bytesPerSecond < 0 ? "-" : ""}${bytesText(Math.abs(Math.round(bytesPerSecond)))}/s over ${durationText(windowMs)}`;
  const each = bytesPerRequest === null ? "" : `, ${bytesText(Math.round(bytesPerRequest))} a request`;
  // A service that has just started grows as well; only of a leak does this say something.
  const left = !leaks || msToLimit === null ? "" : `, at its limit in ${durationText(msToLimit)}`;
  return `${rate}${each}${left}`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
