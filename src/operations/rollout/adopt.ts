import { z } from "zod";
import type { DurableContext } from "../../engine/context.ts";
import { SunnyError } from "../../errors.ts";
import type { Json } from "../../json.ts";
import { defineOperation } from "../../operation.ts";
import type { Finding, Operation, OperationCall, OperationReport } from "../../operation.ts";
import type { HostState, RolloutPorts } from "./ports.ts";
import { all, one, ordering } from "./steps.ts";
import { survey, surveyStep } from "./survey.ts";
import type { SurveyedHost } from "./survey.ts";

const args = z.strictObject({
  _: z.array(z.string()).max(0, "adopt takes options only").default([]),
  /** Some hosts, with commas between, when the others do not answer; without it all. */
  hosts: z.string().optional(),
});
type Args = z.output<typeof args>;

const ADOPT_MS = 60_000;

/**
 * Takes hosts and load balancer over for this journal's authority: for a running environment that another state
 * directory managed, or whose state directory was lost. Changes nothing that serves; from then on the authority before
 * is refused everywhere.
 */
export function adopt(ports: RolloutPorts): Operation {
  return defineOperation<Args>({
    name: "adopt",
    script: null,
    title: "Take hosts and load balancer over from another, or a lost, state directory",
    args,
    changes: ["records"],
    restores: true,
    deadlineMs: 30 * 60_000,
    async observe(call) {
      const found = await survey(ports, hostsOf(call));
      const silent = found.hosts.filter((host) => host.state === null);
      if (silent.length > 0) throw unreadableHosts(silent);
      return Object.fromEntries(found.hosts.map((host) => [host.host, factsOf(host)]));
    },
    run: (ctx, call) => takeOver(ctx, ports, call),
    wayBack: {
      kind: "revert",
      describe: "nothing that serves was changed; the authority before can adopt again",
      run: () => Promise.resolve({ summary: "not needed: nothing that serves was changed", data: { notNeeded: true } }),
    },
  });
}

function hostsOf(call: Pick<OperationCall<Args>, "args" | "system">): string[] {
  const known = call.system.hosts.map((host) => host.name);
  const wanted = call.args.hosts?.split(",").map((host) => host.trim()) ?? known;
  const unknown = wanted.filter((host) => !known.includes(host));
  if (unknown.length === 0) return [...new Set(wanted)];
  throw new SunnyError("USAGE", `There is no host ${unknown.join(", ")}; known are: ${known.join(", ")}`);
}

function unreadableHosts(silent: readonly SurveyedHost[]): SunnyError {
  const what = silent.map(({ host, problem }) => `${host}: ${problem}`).join("; ");
  return new SunnyError("HOST_UNREACHABLE", `Cannot adopt hosts that cannot be read: ${what}`, {
    hint: "Bring them back, or take over the others with --hosts A,B; those are refused to Sunny until they are adopted.",
  });
}

/** Who has the host and what it runs: must be the same when it is taken over. The token may grow meanwhile. */
function factsOf({ state }: SurveyedHost): Json {
  return { authority: state?.fence?.authority ?? null, active: state?.active?.id ?? null };
}

async function takeOver(ctx: DurableContext, ports: RolloutPorts, call: OperationCall<Args>): Promise<OperationReport> {
  const hosts = hostsOf(call);
  const found = await one(ctx, surveyStep(ports, `${call.stepName}/survey`, hosts));
  const from = await all(
    ctx,
    hosts.map((host) => ({
      subject: host,
      call: ordering({
        name: `${call.stepName}/${host}/adopt`,
        deadlineMs: ADOPT_MS,
        run: async (scope) => (await ports.fleet.adopt(host, scope)).from,
      }),
    })),
  );
  const balancer = await adoptBalancer(ctx, ports, call);
  const findings = found.hosts.map((host, at): Finding => ({
    subject: host.host,
    ok: true,
    message: `${whose(from[at])}; ${foundOn(host.state)}`,
  }));
  findings.push({ subject: "load balancer", ok: true, message: balancer });
  const summary = `${hosts.join(", ")} and the load balancer belong to this state directory`;
  return { summary, findings, data: { from: Object.fromEntries(hosts.map((host, at) => [host, from[at] ?? null])) } };
}

async function adoptBalancer(ctx: DurableContext, ports: RolloutPorts, call: OperationCall<Args>): Promise<string> {
  const { loadBalancer } = ports;
  if (loadBalancer.adopt === undefined) return "it keeps no authority of its own";
  const take = loadBalancer.adopt.bind(loadBalancer);
  const step = ordering({
    name: `${call.stepName}/load-balancer/adopt`,
    deadlineMs: ADOPT_MS,
    target: loadBalancer.target,
    run: async (scope) => (await take(scope)).from,
  });
  return whose(await one(ctx, step));
}

function whose(from: string | null | undefined): string {
  return from === null || from === undefined ? "belonged to nobody" : `belonged to ${from}`;
}

/** What the host's own log says of it: the only memory that is left after a state directory was lost. */
export function foundOn(state: HostState | null): string {
  if (state === null) return "not readable";
  const { active, previous, last, pending, service, fence } = state;
  const parts = [active === null ? "runs nothing" : `runs ${active.id} (${service})`];
  if (previous !== null) parts.push(`before that ${previous.id}`);
  if (last !== null) {
    const why = last.reason === "" ? "" : `, ${last.reason}`;
    parts.push(`last activation ${last.turn}: ${last.releaseId ?? "nothing"} ${last.state}${why}`);
  }
  if (pending !== null) {
    const seconds = Math.ceil(pending.remainingMs / 1000);
    parts.push(`UNCONFIRMED: goes back to ${pending.previousId ?? "nothing"} in ${seconds} s`);
  }
  parts.push(fence === null ? "no fencing token" : `fencing token ${fence.token}`);
  return parts.join(", ");
}
