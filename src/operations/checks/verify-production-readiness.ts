import { defineOperation, type Finding, type Operation, type OperationCall } from "../../operation.ts";
import type { HostSpec } from "../../system/schema.ts";
import type { HostState } from "../rollout/ports.ts";
import { adminsText } from "../rollout/server-text.ts";
import { judgeOne } from "../tls/verify-ssl.ts";
import {
  bad,
  bytesText,
  concluded,
  durationText,
  good,
  isFirstDeployment,
  looked,
  noArguments,
  readStep,
} from "./findings.ts";
import type { CheckPorts } from "./ports.ts";

/** Room for a few releases with their archives. */
const LEAST_FREE_BYTES = 256 * 1024 * 1024;
/** Beyond this, times in logs and certificates cannot be compared (PCI DSS v4, 10.6, asks for synchronised clocks). */
const CLOCK_LIMIT_MS = 2_000;
const LOCK_WAIT_MS = 5_000;
const DEADLINE_MS = 120_000;

/** `verify-production-readiness`: everything that a deployment needs and that can be asked before it begins. */
export function readinessOperation(ports: CheckPorts): Operation {
  return defineOperation({
    name: "verify-production-readiness",
    script: "sh",
    title:
      "Checks that production is fit for a deployment: hosts, service, load balancer, certificates, backup, database",
    args: noArguments,
    changes: [],
    deadlineMs: DEADLINE_MS,
    run: async (ctx, call) => {
      const findings = await readStep(ctx, call, "check", DEADLINE_MS, (scope) => verify(ports, call, scope.signal));
      return concluded(findings, `Production is ready: ${findings.length} checks passed`);
    },
  });
}

async function verify(ports: CheckPorts, call: OperationCall<unknown>, signal: AbortSignal): Promise<Finding[]> {
  const { system, release } = call;
  const now = ports.clock.now();
  const parts = await Promise.all([
    hostFindings(ports, call, signal),
    balancerFindings(ports, call, signal),
    ...system.certificates.map((spec) =>
      judgeOne({ files: ports.certificates, probe: ports.tls }, system, spec, now, signal),
    ),
    looked("backup", signal, () => backupFinding(ports, system.database.maxBackupAgeMs, now, signal)),
    looked("database", signal, () => databaseFinding(ports, signal)),
    looked("monitoring", signal, () => monitoringFinding(ports, system.hosts, signal)),
    release === null
      ? []
      : looked(`release ${release.version}`, signal, async () => {
          await ports.releases.verify(release);
          return `signature and digest ${release.digest.slice(0, 12)} are right`;
        }),
  ]);
  return parts.flat();
}

async function hostFindings(ports: CheckPorts, call: OperationCall<unknown>, signal: AbortSignal): Promise<Finding[]> {
  const versions = new Map<string, string[]>();
  const idle = isFirstDeployment(call);
  const each = await Promise.all(
    call.system.hosts.map(async ({ name }) => {
      const reading = readAt(ports, name, signal);
      const host = await looked(name, signal, async () => hostFinding(name, await reading));
      const active = await reading.then(
        ({ state }) => state.active ?? null,
        () => null,
      );
      const service = await looked(`service on ${name}`, signal, async () => {
        const probe = await ports.fleet.probe(name, signal);
        if (!probe.ok && idle) return "nothing is deployed there yet";
        if (!probe.ok) return bad(`service on ${name}`, probe.reason === "" ? `answers ${probe.status}` : probe.reason);
        const version = probe.version ?? "no version";
        versions.set(version, [...(versions.get(version) ?? []), name]);
        if (active !== null && probe.version !== null && active.version !== version)
          return bad(
            `service on ${name}`,
            `answers as ${version} and current is ${active.id}; a restart would change it`,
          );
        return `healthy, ${version}, in ${durationText(probe.latencyMs)}`;
      });
      return [...host, ...service];
    }),
  );
  if (idle && versions.size === 0) return each.flat();
  return [...each.flat(), versionFinding(versions, call.previous?.version)];
}

/** Every healthy host answers with one version, and it is the one that counts as active. */
function versionFinding(versions: ReadonlyMap<string, readonly string[]>, expected: string | undefined): Finding {
  const found = [...versions].map(([version, hosts]) => `${version} on ${hosts.join(", ")}`).join("; ");
  if (versions.size === 0) return bad("versions", "no host answers with one");
  if (versions.size > 1) return bad("versions", `hosts run different ones: ${found}`);
  const [version = ""] = versions.keys();
  if (expected !== undefined && version !== expected)
    return bad("versions", `${version} answers, ${expected} is recorded as active`);
  return good("versions", found);
}

interface Reading {
  readonly state: HostState;
  readonly before: number;
  readonly after: number;
}

async function readAt({ fleet, clock }: CheckPorts, name: string, signal: AbortSignal): Promise<Reading> {
  const before = clock.now();
  const state = await fleet.read(name, signal);
  return { state, before, after: clock.now() };
}

function hostFinding(name: string, { state, before, after }: Reading): Finding[] {
  // The host looked at its clock at some moment in between.
  const uncertain = (after - before) / 2;
  const offset = state.clockMs - (before + uncertain);
  const findings = [
    state.freeBytes < LEAST_FREE_BYTES
      ? bad(
          name,
          `has ${bytesText(state.freeBytes)} of disk left, at least ${bytesText(LEAST_FREE_BYTES)} are asked for`,
        )
      : good(name, `reachable, ${bytesText(state.freeBytes)} of disk left`),
    Math.abs(offset) - uncertain > CLOCK_LIMIT_MS
      ? bad(name, `its clock is off by ${durationText(offset)}, at most ${durationText(CLOCK_LIMIT_MS)} are good`)
      : good(name, `its clock is right within ${durationText(Math.abs(offset) + uncertain)}`),
  ];
  if (state.pending !== null)
    findings.push(
      bad(name, `an activation of ${state.pending.releaseId ?? "nothing"} there waits for its confirmation`),
    );
  return findings;
}

async function balancerFindings(
  ports: CheckPorts,
  call: OperationCall<unknown>,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { hosts, rollout } = call.system;
  return looked("load balancer", signal, async () => {
    const servers = await ports.loadBalancer.read(signal);
    const each = hosts.map(({ name }) => {
      const server = servers.find((one) => one.name === name);
      if (server === undefined) return bad(`server ${name}`, "the load balancer does not know it");
      if (!server.up && isFirstDeployment(call))
        return good(`server ${name}`, "known; nothing is deployed behind it yet");
      if (server.admin === "mixed")
        return bad(`server ${name}`, `the load balancers disagree about it: ${adminsText(server)}`);
      if (!server.up) return bad(`server ${name}`, `is down: ${server.check}`);
      if (server.admin !== "ready") return bad(`server ${name}`, `is set to ${server.admin}`);
      if (server.weightPercent < 100) return bad(`server ${name}`, `has ${server.weightPercent} % of its weight`);
      return good(`server ${name}`, `ready, ${server.check}`);
    });
    const serving = each.filter(({ ok }) => ok).length;
    const least = rollout.minServing ?? Math.max(1, hosts.length - rollout.maxUnavailable);
    const left = serving - rollout.maxUnavailable;
    const figures = `${serving} servers in traffic, ${rollout.maxUnavailable} may be out at once, ${least} must stay`;
    return [...each, left < least ? bad("capacity", figures) : good("capacity", figures)];
  });
}

/** The newest backup that was proved is young enough, and still the file that was proved. */
async function backupFinding(
  { backups }: CheckPorts,
  maxAgeMs: number,
  now: number,
  signal: AbortSignal,
): Promise<Finding> {
  const all = await backups.list();
  const [newest] = all.filter(({ proof }) => proof !== null);
  if (newest === undefined) {
    const why = all.length === 0 ? "there is none" : `none of the ${all.length} was proved`;
    return bad("backup", `${why}; run \`sunny run backup-databases\``);
  }
  const age = now - Date.parse(newest.at);
  const damaged = await backups.damage(newest, signal);
  if (damaged !== null) return bad("backup", `${damaged}; run \`sunny run backup-databases\``);
  const text = `${newest.id} is ${durationText(age)} old`;
  return age > maxAgeMs
    ? bad("backup", `${text}, at most ${durationText(maxAgeMs)} are good`)
    : good("backup", `${text}, proved`);
}

async function databaseFinding({ database }: CheckPorts, signal: AbortSignal): Promise<Finding> {
  const { problems, connectMs } = await database.check({ timeoutMs: LOCK_WAIT_MS }, signal);
  const [problem] = problems;
  return problem === undefined
    ? good("database", `${database.name} answers in ${durationText(connectMs)}`)
    : bad("database", problem);
}

async function monitoringFinding(
  { monitoring }: CheckPorts,
  hosts: readonly HostSpec[],
  signal: AbortSignal,
): Promise<Finding[]> {
  const { problems, source } = await monitoring.monitored(signal);
  const readings = await source.read(
    hosts.map(({ name }) => name),
    signal,
  );
  const failed = readings.flatMap((one) => ("failed" in one ? [bad(`metrics of ${one.host}`, one.failed)] : []));
  const wrong = [...problems.map((problem) => bad("monitoring", problem)), ...failed];
  return wrong.length > 0 ? wrong : [good("monitoring", `${source.name} answers`)];
}
