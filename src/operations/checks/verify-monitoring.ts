import type { HostReading, HostSample } from "../../analysis/metrics.ts";
import { sleep } from "../../clock.ts";
import { defineOperation, type Finding, type Operation, type OperationCall } from "../../operation.ts";
import type { HostSpec } from "../../system/schema.ts";
import { bad, concluded, durationText, good, looked, noArguments, readStep } from "./findings.ts";
import type { CheckPorts, Monitored } from "./ports.ts";

/** Between two readings of the same host, which must differ if it lives. */
const APART_MS = 1_100;
const DEADLINE_MS = 120_000;
/** Where no length of an interval is configured. */
const INTERVAL_MS = 10_000;
/** How late whole periods may come: after their end, and for want of a newer one. */
const DELAY_MS = 60_000;
const PERIODS_LATE = 2;

type MonitoringPorts = Pick<CheckPorts, "clock" | "http" | "monitoring">;

/** `verify-monitoring`: every host is read now, with what the rules need, and says that it runs the expected version. */
export function verifyMonitoringOperation(ports: MonitoringPorts): Operation {
  return defineOperation({
    name: "verify-monitoring",
    script: "sh",
    title: "Checks that every host is being monitored now, with what the rules need",
    args: noArguments,
    changes: [],
    deadlineMs: DEADLINE_MS,
    run: async (ctx, call) => {
      const findings = await readStep(ctx, call, "check", DEADLINE_MS, (scope) => verify(ports, call, scope.signal));
      return concluded(findings, `All ${call.system.hosts.length} hosts are monitored, with what every rule needs`);
    },
  });
}

async function verify(ports: MonitoringPorts, call: OperationCall<unknown>, signal: AbortSignal): Promise<Finding[]> {
  const { clock, monitoring } = ports;
  const findings = await looked("monitoring", signal, async () => {
    const monitored = await monitoring.monitored(signal);
    const hosts = call.system.hosts.map(({ name }) => name);
    const first = await monitored.source.read(hosts, signal);
    const { source } = call.system.monitoring;
    const staleMs = 3 * Math.max(call.system.monitoring.intervalMs ?? INTERVAL_MS, 10_000);
    if (source.kind === "cloudwatch") {
      // It gives each period once, a minute or two late.
      const lateMs = staleMs + PERIODS_LATE * source.periodSeconds * 1000 + DELAY_MS;
      return [...ruleFindings(monitored), ...hosts.map((host) => freshness(host, [], first, clock.now(), lateMs))];
    }
    await sleep(clock, APART_MS, signal);
    const second = await monitored.source.read(hosts, signal);
    return [...ruleFindings(monitored), ...hosts.map((host) => freshness(host, first, second, clock.now(), staleMs))];
  });
  const versions = await Promise.all(call.system.hosts.map((host) => versionFinding(ports, call, host, signal)));
  findings.push(...versions.flat());
  const watching = call.mode === "deploy" ? await monitoring.watching() : null;
  if (watching === false) findings.push(bad("watcher", "does not run: nobody watches this deployment"));
  else if (watching === true) findings.push(good("watcher", "runs"));
  return findings;
}

/** What of the monitoring does not work, and what the rules get. */
export function ruleFindings({ problems, rules, source }: Monitored): Finding[] {
  if (problems.length > 0) return problems.map((problem) => bad("monitoring", problem));
  if (rules.length === 0) return [bad("monitoring", "no rule is watched: the runbook states no threshold")];
  return [good("monitoring", `${source.name} has data for ${rules.map(({ title }) => title).join(", ")}`)];
}

/** A host that is read, whose figures are of now, and move. */
function freshness(
  host: string,
  first: readonly HostReading[],
  second: readonly HostReading[],
  now: number,
  staleMs: number,
): Finding {
  const subject = `scrape of ${host}`;
  const [before, after] = [first, second].map((readings) => readings.find((one) => one.host === host));
  if (after === undefined) return bad(subject, "the source does not know this host");
  if ("failed" in after) return bad(subject, `has stopped: ${after.failed}`);
  const age = now - after.at;
  if (age > staleMs)
    return bad(
      subject,
      `is stale: its newest sample is ${durationText(age)} old, at most ${durationText(staleMs)} are good`,
    );
  if (before !== undefined && !("failed" in before) && stuck(before, after)) {
    return bad(subject, "is stuck: two samples at different times have the same processor time, to the last digit");
  }
  return good(subject, `is ${durationText(Math.max(0, age))} old`);
}

/** Being read costs a living process processor time, so the same figure twice is a copy of an old answer. */
function stuck(before: HostSample, after: HostSample): boolean {
  return before.at !== after.at && before.cpuSeconds !== undefined && before.cpuSeconds === after.cpuSeconds;
}

/** The version that the metrics name, where they are read from the hosts directly. */
async function versionFinding(
  { http }: MonitoringPorts,
  call: OperationCall<unknown>,
  host: HostSpec,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { source } = call.system.monitoring;
  const expected = expectedVersion(call);
  if (source.kind !== "scrape" || expected === undefined) return [];
  const subject = `version of ${host.name}`;
  return looked(subject, signal, async () => {
    const { scheme, path, serverName, caFile } = source;
    const address = `${host.address.includes(":") ? `[${host.address}]` : host.address}:${host.port}`;
    const url = `${scheme}://${serverName === undefined ? address : `${serverName}:${host.port}`}${path}`;
    const connect = serverName === undefined ? {} : { connect: address };
    const trust = caFile === undefined ? {} : { caFile };
    const request = { url, method: "GET", headers: {}, timeoutMs: 5_000, ...connect, ...trust };
    const answer = await http.request(request, signal);
    const version = /^\w+_info\{[^}]*\bversion="([^"]*)"/m.exec(answer.body)?.[1];
    if (answer.status !== 200) return bad(subject, `${url} answers ${answer.status}`);
    if (version === undefined) return good(subject, "its metrics name none");
    return version === expected
      ? good(subject, `its metrics name ${version}`)
      : bad(subject, `its metrics name ${version}, ${expected} is expected`);
  });
}

/** The release that hosts run at this point: the new one only once this very deployment has rolled it out. */
function expectedVersion({ mode, earlier, release, previous }: OperationCall<unknown>): string | undefined {
  const rolledOut = mode === "deploy" && earlier["deploy-production"] !== undefined;
  return rolledOut ? release?.version : previous?.version;
}
