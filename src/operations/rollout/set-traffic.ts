import { z } from "zod";
import type { DurableContext } from "../../engine/context.ts";
import { SunnyError } from "../../errors.ts";
import { defineOperation } from "../../operation.ts";
import type { Operation, OperationCall, OperationReport } from "../../operation.ts";
import type { System } from "../../system/schema.ts";
import { capacityProblem, minServing } from "./capacity.ts";
import { adminText } from "./server-text.ts";
import type { RolloutPorts, ServerChange, ServerState } from "./ports.ts";
import { refuseForeignHosts } from "./preconditions.ts";
import { one, ordering, reading, refusal } from "./steps.ts";

const args = z
  .strictObject({
    _: z.array(z.string()).length(1, "name the server: set-traffic SERVER --state ready|drain|maint --weight PERCENT"),
    state: z.enum(["ready", "drain", "maint"], "--state is ready, drain or maint").optional(),
    /** Percent of the server's configured weight. */
    weight: z.coerce.number().int().min(0).max(100).optional(),
  })
  .refine(({ state, weight }) => state !== undefined || weight !== undefined, "say --state, --weight or both");
type Args = z.output<typeof args>;

/** What the server had when the plan was made: it goes back to that, and the plan is void when it has changed since. */
interface Before {
  readonly admin: ServerState["admin"];
  readonly weightPercent: number;
}

const READ_MS = 30_000;

/** Sets one server's state at the load balancer, or its weight, by hand; never below the configured capacity. */
export function setTraffic(ports: RolloutPorts): Operation {
  return defineOperation<Args>({
    name: "set-traffic",
    script: null,
    title: "Set a server's state or weight at the load balancer",
    args,
    changes: ["traffic"],
    restores: true,
    deadlineMs: 5 * 60_000,
    async observe(call) {
      const servers = await ports.loadBalancer.read();
      const problem = problemOf(servers, call.args, call.system);
      if (problem !== null) throw new SunnyError(problem.code, problem.message, { hint: problem.hint });
      await refuseForeignHosts(ports, [nameOf(call.args)], call.mode);
      const { admin, weightPercent } = serverIn(servers, nameOf(call.args)) as ServerState;
      return { admin, weightPercent } satisfies Before;
    },
    run: (ctx, call) => set(ctx, ports, call),
    wayBack: {
      kind: "revert",
      describe: "the server gets the state and weight again that it had",
      run: (ctx, call) => putBack(ctx, ports, call),
    },
  });
}

const nameOf = ({ _: [name = ""] }: Args): string => name;

const serverIn = (servers: readonly ServerState[], name: string): ServerState | undefined =>
  servers.find((server) => server.name === name);

const changeOf = ({ state, weight }: Args): ServerChange => ({
  ...(state === undefined ? {} : { admin: state }),
  ...(weight === undefined ? {} : { weightPercent: weight }),
});

interface Problem {
  readonly code: "SERVER_UNKNOWN" | "CAPACITY_TOO_LOW";
  readonly message: string;
  readonly hint: string;
}

/** Why this must not be set, as things stand. */
function problemOf(servers: readonly ServerState[], wanted: Args, system: System): Problem | null {
  const name = nameOf(wanted);
  if (serverIn(servers, name) === undefined) {
    const known = servers.map((server) => server.name).join(", ");
    const message = `the load balancer has no server ${name}; it has ${known}`;
    return { code: "SERVER_UNKNOWN", message, hint: "`sunny traffic` lists the servers." };
  }
  const leaves = (wanted.state !== undefined && wanted.state !== "ready") || wanted.weight === 0;
  const problem = leaves ? capacityProblem(servers, [name], minServing(system)) : undefined;
  if (problem === undefined) return null;
  const hint = "Bring another server back first, or lower rollout.minServing.";
  return { code: "CAPACITY_TOO_LOW", message: problem, hint };
}

async function set(ctx: DurableContext, ports: RolloutPorts, call: OperationCall<Args>): Promise<OperationReport> {
  const name = nameOf(call.args);
  await one(
    ctx,
    reading({
      name: `${call.stepName}/capacity`,
      deadlineMs: READ_MS,
      async run(scope) {
        const problem = problemOf(await ports.loadBalancer.read(scope.signal), call.args, call.system);
        if (problem !== null) throw refusal(problem.code, problem.message);
        return null;
      },
    }),
  );
  const after = await order(ctx, ports, call.stepName, name, changeOf(call.args));
  const was = call.facts as unknown as Before | null;
  const before = was === null ? "" : `, before: ${was.admin}, weight ${was.weightPercent} %`;
  return { summary: `${describe(after)}${before}`, data: { server: name, ...changeOf(call.args) } };
}

/** Orders the change, and reads what the load balancer makes of it. */
async function order(
  ctx: DurableContext,
  ports: RolloutPorts,
  stepName: string,
  name: string,
  change: ServerChange,
): Promise<ServerState> {
  const { loadBalancer } = ports;
  return one(
    ctx,
    ordering({
      name: `${stepName}/${name}/set`,
      deadlineMs: READ_MS,
      target: loadBalancer.target,
      async run(scope): Promise<ServerState> {
        await loadBalancer.set(name, change, scope);
        const server = serverIn(await loadBalancer.read(scope.signal), name);
        if (server === undefined) throw refusal("SERVER_UNKNOWN", `the load balancer has no server ${name} any more`);
        return { ...server };
      },
    }),
  );
}

/** One line about a server, for people. */
export function describe(server: ServerState): string {
  const { name, weightPercent, up, check, sessions } = server;
  const inFlight = sessions === 1 ? "1 session" : `${sessions} sessions`;
  return `${name} is ${adminText(server)}, weight ${weightPercent} %, ${up ? "up" : `down (${check})`}, ${inFlight} in flight`;
}

async function putBack(ctx: DurableContext, ports: RolloutPorts, call: OperationCall<Args>): Promise<OperationReport> {
  const name = nameOf(call.args);
  const stepName = `${call.stepName}/back`;
  const before = call.facts as unknown as Before | null;
  if (before === null || before.admin === "mixed") {
    return { summary: `not needed: there is no one state that ${name} had before`, data: { notNeeded: true } };
  }
  const now = await one(
    ctx,
    reading<Before | null>({
      name: `${stepName}/state`,
      deadlineMs: READ_MS,
      async run(scope) {
        const server = serverIn(await ports.loadBalancer.read(scope.signal), name);
        return server === undefined ? null : { admin: server.admin, weightPercent: server.weightPercent };
      },
    }),
  );
  if (now === null || (now.admin === before.admin && now.weightPercent === before.weightPercent)) {
    return { summary: `not needed: ${name} is as it was before`, data: { notNeeded: true } };
  }
  const after = await order(ctx, ports, stepName, name, { ...before, admin: before.admin });
  return { summary: describe(after) };
}
