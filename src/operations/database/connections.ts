import { z } from "zod";
import { TerminalError, type DurableContext } from "../../engine/context.ts";
import { defineOperation, type Finding, type Operation, type OperationCall } from "../../operation.ts";
import { bad, bytesText, concluded, durationText, good, looked, noArguments, readStep } from "../checks/findings.ts";
import { unknownHosts } from "../rollout/named-hosts.ts";
import type { System } from "../../system/schema.ts";
import type { DatabasePorts, PoolState } from "./ports.ts";

/** Longer than this to connect and answer is not healthy, however idle the database. */
const CONNECT_LIMIT_MS = 1_000;
/** Longer than this for the write lock means that somebody holds it. */
const LOCK_LIMIT_MS = 2_000;
const LOCK_WAIT_MS = 5_000;

type ConnectionPorts = Pick<DatabasePorts, "probe" | "pools">;

/** `check-db-connection`: the database itself, and the pool of the service on every host. */
export function checkConnectionOperation(ports: ConnectionPorts): Operation {
  return defineOperation({
    name: "check-db-connection",
    script: "sh",
    title: "Checks that the database answers, is sound and not locked, and that no host's pool is exhausted",
    args: noArguments,
    changes: [],
    deadlineMs: 120_000,
    run: async (ctx, call) => {
      const findings = await readStep(ctx, call, "check", 120_000, (scope) => check(ports, call, scope.signal));
      return concluded(findings, `${ports.probe.name} answers, and every host has connections to it`);
    },
  });
}

async function check(ports: ConnectionPorts, call: OperationCall<unknown>, signal: AbortSignal): Promise<Finding[]> {
  const hosts = call.system.hosts.map(({ name }) => name);
  const database = await checkDatabase(ports, signal);
  const pools = await Promise.all(
    hosts.map((host) =>
      looked(`pool of ${host}`, signal, async () => poolFinding(host, await ports.pools.connections(host, signal))),
    ),
  );
  return [...database, ...pools.flat()];
}

async function checkDatabase({ probe }: ConnectionPorts, signal: AbortSignal): Promise<Finding[]> {
  return looked("database", signal, async () => {
    const health = await probe.check({ timeoutMs: LOCK_WAIT_MS }, signal);
    const { connectMs, writeLockMs, problems, sizeBytes, notes } = health;
    const findings = [
      connectMs > CONNECT_LIMIT_MS
        ? bad("database", `takes ${durationText(connectMs)} to answer, the limit is ${durationText(CONNECT_LIMIT_MS)}`)
        : good("database", `answers in ${durationText(connectMs)}; ${[bytesText(sizeBytes), ...notes].join(", ")}`),
      writeLockMs > LOCK_LIMIT_MS
        ? bad("write lock", `came only after ${durationText(writeLockMs)}, the limit is ${durationText(LOCK_LIMIT_MS)}`)
        : good("write lock", `free after ${durationText(writeLockMs)}`),
    ];
    return [...findings, ...problems.map((problem) => bad("integrity", problem))];
  });
}

function poolFinding(host: string, { inUse, open, max, waiting }: PoolState): Finding {
  const figures = `${inUse} of ${max} connections in use, ${open} open, ${waiting} waiting`;
  const subject = `pool of ${host}`;
  if (waiting > 0) return bad(subject, `exhausted: ${figures}`);
  return inUse >= max ? bad(subject, `has no connection left: ${figures}`) : good(subject, figures);
}

const resetArgs = z.strictObject({
  /** Hosts; all of them without. */
  _: z.array(z.string()).default([]),
});
type ResetArgs = z.output<typeof resetArgs>;

/** `reset-db-connections`: closes and reopens the pools, one host after the other, and checks each. */
export function resetConnectionsOperation(ports: ConnectionPorts): Operation {
  return defineOperation<ResetArgs>({
    name: "reset-db-connections",
    script: "sh",
    title: "Closes every database connection of the service and opens anew, host by host",
    args: resetArgs,
    check: ({ _ }, system) => unknownNames(_, system),
    changes: ["hosts"],
    restores: true,
    deadlineMs: 600_000,
    run: (ctx, call) => reset(ports, ctx, call),
    // A way back that has nothing to do: a reset that fails half-way leaves a service that opens connections as it needs them.
    wayBack: {
      kind: "revert",
      describe: "nothing: the service opens the connections that it needs",
      run: () => Promise.resolve({ summary: "Not needed: the service opens the connections that it needs" }),
    },
  });
}

async function reset(ports: ConnectionPorts, ctx: DurableContext, call: OperationCall<ResetArgs>) {
  const findings: Finding[] = [];
  let closed = 0;
  for (const host of chosenHosts(call)) {
    const state = await ctx.step(`${call.stepName}/${host}`, (scope) => ports.pools.resetConnections(host, scope), {
      disposition: { kind: "idempotent" },
      deadlineMs: 30_000,
      retry: { maxAttempts: 3 },
    });
    closed += state.closed;
    const after = await readStep(ctx, call, `${host}/check`, 30_000, (scope) =>
      looked(`pool of ${host}`, scope.signal, async () =>
        poolFinding(host, await ports.pools.connections(host, scope.signal)),
      ),
    );
    findings.push(...after);
    // The others go on serving with what they have: a reset that does not help here will not help there.
    if (after.some((finding) => !finding.ok)) return concluded(findings, "");
  }
  const database = await readStep(ctx, call, "database", 60_000, (scope) => checkDatabase(ports, scope.signal));
  const hosts = `${findings.length} ${findings.length === 1 ? "host" : "hosts"}`;
  return concluded([...findings, ...database], `${closed} connections closed and the pools of ${hosts} opened anew`, {
    closed,
  });
}

function chosenHosts({ args, system }: OperationCall<ResetArgs>): readonly string[] {
  const unknown = unknownNames(args._, system);
  if (unknown !== null) throw new TerminalError("HOST_UNKNOWN", unknown);
  const known = system.hosts.map(({ name }) => name);
  return args._.length === 0 ? known : known.filter((name) => args._.includes(name));
}

function unknownNames(names: readonly string[], system: System): string | null {
  return unknownHosts(names.length === 0 ? undefined : names.join(","), system);
}
