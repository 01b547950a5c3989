import { z } from "zod";
import type { DurableContext } from "../../engine/context.ts";
import { defineOperation } from "../../operation.ts";
import type { Operation, OperationCall, OperationReport } from "../../operation.ts";
import type { System } from "../../system/schema.ts";
import { groupsOf, isServing } from "./capacity.ts";
import { capacityStep } from "./guards.ts";
import type { RolloutPorts } from "./ports.ts";
import { namedHosts, unknownHosts } from "./named-hosts.ts";
import { refuseForeignHosts } from "./preconditions.ts";
import { all, one, ordering, refusal } from "./steps.ts";
import { surveyStep, unreadable } from "./survey.ts";
import { drainStep, healthStep, trafficStep } from "./turn.ts";
import type { TurnEnv } from "./turn.ts";

const args = z.strictObject({
  _: z.array(z.string()).length(1, "name the service to restart: restart-service <service-name>"),
  /** One host, or several with commas between; without it all. */
  host: z.string().optional(),
});
type Args = z.output<typeof args>;

/** Restarts the service host by host, each one drained before, so that no request fails. */
export function restartService(ports: RolloutPorts): Operation {
  return defineOperation<Args>({
    name: "restart-service",
    script: "sh",
    title: "Restart a service host by host without a failed request: restart-service <service-name> [--host H]",
    args,
    check: ({ _: [service = ""], host }, system) =>
      service === system.service ? unknownHosts(host, system) : unknownService(service, system),
    changes: ["hosts", "traffic"],
    restores: true,
    deadlineMs: 3 * 3_600_000,
    async observe({ args: { host }, system, mode }) {
      await refuseForeignHosts(ports, namedHosts(host) ?? system.hosts.map(({ name }) => name), mode);
      return null;
    },
    run: (ctx, call) => restart(ctx, ports, call),
    wayBack: {
      kind: "revert",
      describe: "hosts that were drained for the restart return to traffic",
      run: (ctx, call) => returnToTraffic(ctx, ports, call),
    },
  });
}

async function restart(ctx: DurableContext, ports: RolloutPorts, call: OperationCall<Args>): Promise<OperationReport> {
  const { system } = call;
  const env: TurnEnv = { ports, system, stepName: call.stepName };
  const [service = ""] = call.args._;
  if (service !== system.service) {
    throw refusal("SERVICE_UNKNOWN", unknownService(service, system));
  }
  const hosts = hostsOf(call);
  const found = await one(ctx, surveyStep(ports, `${env.stepName}/survey`, hosts));
  const problems = unreadable(found.hosts);
  if (problems.length > 0) {
    throw refusal(
      "HOST_UNREACHABLE",
      `hosts cannot be read: ${problems.map((one) => one.message).join("; ")}`,
      problems,
    );
  }
  const version = new Map(found.hosts.map(({ host, state }) => [host, state?.active?.version ?? null]));
  // What does not serve comes first: that costs no capacity, and afterwards there is enough for the others.
  const serving = new Set(found.servers.filter(isServing).map((server) => server.name));
  const order = [...hosts.filter((host) => !serving.has(host)), ...hosts.filter((host) => serving.has(host))];
  for (const [index, group] of groupsOf(order, system.rollout.maxUnavailable).entries()) {
    await one(ctx, capacityStep(env, `group-${index + 1}`, group));
    await all(
      ctx,
      group.map((host) => ({ subject: host, call: drainStep(env, host, { force: false }) })),
    );
    await all(
      ctx,
      group.map((host) => ({ subject: host, call: restartStep(env, host) })),
    );
    await all(
      ctx,
      group.map((host) => ({
        subject: host,
        call: healthStep(env, { host, version: version.get(host) ?? null, turn: 1 }),
      })),
    );
    await all(
      ctx,
      group.map((host) => ({ subject: host, call: readyStep(env, host, weightOf(found.servers, host)) })),
    );
  }
  const findings = hosts.map((host) => ({
    subject: host,
    ok: true,
    message: `${service} was restarted and is healthy`,
  }));
  return { summary: `${service} was restarted on ${hosts.join(", ")}`, findings };
}

function unknownService(service: string, system: System): string {
  return `there is no service ${service}; known is: ${system.service}`;
}

function hostsOf({ args: { host }, system }: OperationCall<Args>): readonly string[] {
  const unknown = unknownHosts(host, system);
  if (unknown !== null) throw refusal("ROLLOUT_REFUSED", unknown);
  return namedHosts(host) ?? system.hosts.map(({ name }) => name);
}

/** A host keeps the weight that it had. */
function weightOf(servers: readonly { name: string; weightPercent: number }[], host: string): number {
  return servers.find((server) => server.name === host)?.weightPercent ?? 100;
}

const readyStep = (env: TurnEnv, host: string, weightPercent: number) =>
  trafficStep(env, host, "ready", { admin: "ready", weightPercent });

function restartStep(env: TurnEnv, host: string) {
  return ordering({
    name: `${env.stepName}/${host}/restart`,
    deadlineMs: 180_000,
    async run(scope) {
      await env.ports.fleet.restart(host, scope);
      return null;
    },
  });
}

/** Nothing to take back about a restart; but a host that was left drained would be missing from the capacity. */
async function returnToTraffic(
  ctx: DurableContext,
  ports: RolloutPorts,
  call: OperationCall<Args>,
): Promise<OperationReport> {
  const env: TurnEnv = { ports, system: call.system, stepName: `${call.stepName}/back` };
  const hosts = hostsOf(call);
  const found = await one(ctx, surveyStep(ports, `${env.stepName}/survey`, hosts));
  const drained = hosts.filter((host) =>
    found.servers.some((server) => server.name === host && server.admin !== "ready"),
  );
  await all(
    ctx,
    drained.map((host) => ({ subject: host, call: readyStep(env, host, weightOf(found.servers, host)) })),
  );
  const summary =
    drained.length === 0 ? "not needed: all hosts are in traffic" : `${drained.join(", ")} returned to traffic`;
  return { summary };
}
