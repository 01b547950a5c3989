import { defineOperation, type Finding, type Operation, type OperationCall } from "../../operation.ts";
import type { StepScope } from "../../engine/context.ts";
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
} from "../checks/findings.ts";
import { adminsText } from "../rollout/server-text.ts";
import type { InfrastructurePorts } from "./ports.ts";

/** Less than this and the next release may not fit. */
const LEAST_FREE_BYTES = 256 * 1024 * 1024;
const DEADLINE_MS = 600_000;

/** `verify-infrastructure`: hosts, load balancer, public endpoints over TLS, and drift where Terraform can say. */
export function verifyInfrastructureOperation(ports: InfrastructurePorts): Operation {
  return defineOperation({
    name: "verify-infrastructure",
    script: "sh",
    title: "Checks hosts, load balancer, public endpoints and drift of the infrastructure",
    args: noArguments,
    changes: [],
    deadlineMs: DEADLINE_MS,
    run: async (ctx, call) => {
      const findings = await readStep(ctx, call, "check", DEADLINE_MS, (scope) => verify(ports, call, scope));
      return concluded(findings, `The infrastructure is as it should be: ${findings.length} checks passed`);
    },
  });
}

async function verify(ports: InfrastructurePorts, call: OperationCall<unknown>, scope: StepScope): Promise<Finding[]> {
  const { signal } = scope;
  const hosts = call.system.hosts.map(({ name }) => name);
  const idle = isFirstDeployment(call);
  const parts = await Promise.all([
    ...hosts.map((host) => looked(host, signal, () => hostFinding(ports, host, idle, signal))),
    looked("load balancer", signal, () => serverFindings(ports, hosts, idle, signal)),
    looked("endpoints", signal, () => endpointFindings(ports, idle, signal)),
    looked("drift", signal, () => driftFindings(ports, scope)),
  ]);
  return parts.flat();
}

/** `idle`: nothing runs yet, and nothing needs to. */
async function hostFinding(
  { fleet }: InfrastructurePorts,
  host: string,
  idle: boolean,
  signal: AbortSignal,
): Promise<Finding> {
  const { freeBytes, service } = await fleet.read(host, signal);
  if (service !== "running" && !idle) return bad(host, "reachable, and its service is stopped");
  const disk = `${bytesText(freeBytes)} of disk left`;
  return freeBytes < LEAST_FREE_BYTES
    ? bad(host, `only ${disk}, at least ${bytesText(LEAST_FREE_BYTES)} are asked for`)
    : good(host, `reachable, ${disk}`);
}

async function serverFindings(
  { loadBalancer }: InfrastructurePorts,
  hosts: readonly string[],
  idle: boolean,
  signal: AbortSignal,
): Promise<Finding[]> {
  const servers = await loadBalancer.read(signal);
  return hosts.map((host) => {
    const server = servers.find(({ name }) => name === host);
    const subject = `server ${host}`;
    if (server === undefined) return bad(subject, "the load balancer does not know it");
    if (idle && !server.up) return good(subject, "known; nothing is deployed behind it yet");
    if (server.admin === "mixed") return bad(subject, `the load balancers disagree about it: ${adminsText(server)}`);
    if (!server.up) return bad(subject, `is down: ${server.check}`);
    if (server.admin !== "ready") return bad(subject, `is set to ${server.admin}`);
    return good(subject, `up, ${server.admin}, ${server.check}`);
  });
}

async function endpointFindings(
  { publicEndpoint }: InfrastructurePorts,
  idle: boolean,
  signal: AbortSignal,
): Promise<Finding[]> {
  const probes = await publicEndpoint.probe(signal);
  if (probes.length === 0) return [good("endpoints", "none are configured, so none were asked")];
  return probes.map(({ url, ok, status, reason, latencyMs }) => {
    if (!url.startsWith("https:")) return bad(url, "is not reached over TLS");
    // Whoever answers for the service is reached, and says that nothing is behind it.
    if (idle && !ok && status >= 500)
      return good(url, `answers ${status}, certificate verified; nothing is deployed yet`);
    return ok
      ? good(url, `answers ${status} in ${durationText(latencyMs)}, certificate verified`)
      : bad(url, reason === "" ? `answers ${status}` : reason);
  });
}

async function driftFindings({ terraform }: InfrastructurePorts, scope: StepScope): Promise<Finding[]> {
  if ((await terraform.program()) === null)
    return [good("drift", "not looked at: neither program of infrastructure.binaries is on this machine")];
  if (!(await terraform.hasState())) return [good("drift", "not looked at: nothing was applied from here")];
  const { drifted, changes } = await terraform.drift(scope);
  if (!drifted) return [good("drift", "none: the world is as the configuration says")];
  const what = changes.length === 0 ? ["outputs only"] : changes;
  return what.map((change) => bad("drift", `the world differs from the configuration: ${change}`));
}
