import { z } from "zod";
import type { DurableContext, StepScope } from "../../engine/context.ts";
import { defineOperation } from "../../operation.ts";
import type { Finding, Operation, OperationCall, OperationReport } from "../../operation.ts";
import type { RolloutPorts } from "./ports.ts";
import { adminText } from "./server-text.ts";
import { one, reading, refusal } from "./steps.ts";
import { survey } from "./survey.ts";
import type { Survey } from "./survey.ts";
import { probeProblem } from "./turn.ts";

const args = z.strictObject({
  _: z.array(z.string()).max(0, "verify-rollback takes options only").default([]),
  /** The version that has to be served; without it the one that the rollback before it, or the plan, went back to. */
  version: z.string().optional(),
});
type Args = z.output<typeof args>;

/** Requests to the public address for every host, so that each is likely to be met. */
const PUBLIC_ROUNDS_PER_HOST = 2;

/** Reads everything that a rollback has to leave behind; changes nothing. */
export function verifyRollback(ports: RolloutPorts): Operation {
  return defineOperation<Args>({
    name: "verify-rollback",
    script: "sh",
    title: "Check that every host serves the same, expected version and takes its full share of the traffic",
    args,
    changes: [],
    deadlineMs: 5 * 60_000,
    run: (ctx, call) => verify(ctx, ports, call),
  });
}

async function verify(ctx: DurableContext, ports: RolloutPorts, call: OperationCall<Args>): Promise<OperationReport> {
  const hosts = call.system.hosts.map((host) => host.name);
  const expected = call.args.version ?? versionOfRollback(call) ?? call.previous?.version ?? null;
  const findings = await one(
    ctx,
    reading<Finding[]>({
      name: `${call.stepName}/look`,
      deadlineMs: 4 * 60_000,
      run: async (scope) => {
        const found = await survey(ports, hosts, scope.signal);
        const version = expected ?? commonVersion(found);
        return [
          ...hostFindings(found, version),
          ...trafficFindings(found, hosts),
          ...(await publicFindings(ports, hosts, version, scope)),
        ];
      },
    }),
  );
  const bad = findings.filter((finding) => !finding.ok);
  if (bad.length > 0) {
    const message = `the rollback is not complete: ${bad.map((one) => `${one.subject}: ${one.message}`).join("; ")}`;
    throw refusal("ROLLBACK_NOT_VERIFIED", message, findings);
  }
  return { summary: `${hosts.length} hosts serve ${expected ?? "the same version"} with full weight`, findings };
}

function versionOfRollback(call: OperationCall<Args>): string | undefined {
  const data = (call.earlier["rollback"] ?? call.earlier["gradual-rollback"])?.data;
  const version = typeof data === "object" && data !== null && "version" in data ? data.version : undefined;
  return typeof version === "string" ? version : undefined;
}

/** By hand, without a version: what most hosts serve, so that the odd ones out are named. */
function commonVersion(found: Survey): string | null {
  const counts = new Map<string, number>();
  for (const { state } of found.hosts) {
    if (state?.active !== null && state !== null)
      counts.set(state.active.version, (counts.get(state.active.version) ?? 0) + 1);
  }
  return [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

function hostFindings(found: Survey, version: string | null): Finding[] {
  const ids = new Set(found.hosts.map(({ state }) => state?.active?.id).filter((id) => id !== undefined));
  return found.hosts.flatMap(({ host, state, probe, problem }): Finding[] => {
    if (state === null || probe === null) return [{ subject: host, ok: false, message: problem }];
    const bad: string[] = [];
    if (version === null) bad.push("no release is active");
    else if (state.active?.version !== version)
      bad.push(`current is ${state.active?.id ?? "nothing"}, expected is ${version}`);
    if (state.pending !== null) {
      bad.push(
        `an unconfirmed activation of ${state.pending.releaseId ?? "nothing"} would revert itself in ${state.pending.remainingMs} ms`,
      );
    }
    const answer = probeProblem(probe, version);
    if (answer !== undefined) bad.push(answer);
    if (bad.length > 0) return bad.map((message) => ({ subject: host, ok: false, message }));
    const same = ids.size === 1 ? "" : ` (as ${state.active?.id})`;
    return [{ subject: host, ok: true, message: `serves ${version}${same}, answered in ${probe.latencyMs} ms` }];
  });
}

function trafficFindings(found: Survey, hosts: readonly string[]): Finding[] {
  return hosts.map((host) => {
    const subject = `traffic to ${host}`;
    const server = found.servers.find((one) => one.name === host);
    if (server === undefined) return { subject, ok: false, message: "the load balancer does not know it" };
    const { admin, weightPercent, up, check } = server;
    const ok = admin === "ready" && weightPercent === 100 && up;
    return {
      subject,
      ok,
      message: `${adminText(server)}, weight ${weightPercent} %, ${up ? "up" : "down"} (${check})`,
    };
  });
}

async function publicFindings(
  ports: RolloutPorts,
  hosts: readonly string[],
  version: string | null,
  scope: StepScope,
): Promise<Finding[]> {
  const findings = new Map<string, Finding>();
  for (let round = 0; round < hosts.length * PUBLIC_ROUNDS_PER_HOST; round++) {
    for (const probe of await ports.publicEndpoint.probe(scope.signal)) {
      const problem = probeProblem(probe, version);
      if (findings.get(probe.url)?.ok === false) continue;
      findings.set(probe.url, {
        subject: probe.url,
        ok: problem === undefined,
        message: problem ?? `answers as ${version}`,
      });
    }
  }
  return [...findings.values()];
}
