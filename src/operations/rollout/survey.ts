import type { StepCall, StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { Finding } from "../../operation.ts";
import type { HostState, Probe, RolloutPorts, ServerState } from "./ports.ts";
import { reading } from "./steps.ts";

/** One host as it was found, or why it could not be read. */
export interface SurveyedHost {
  readonly host: string;
  readonly state: HostState | null;
  readonly probe: Probe | null;
  /** Empty when it could be read. */
  readonly problem: string;
}

/** The hosts and the load balancer at one moment. */
export interface Survey {
  readonly hosts: readonly SurveyedHost[];
  readonly servers: readonly ServerState[];
}

const SURVEY_MS = 60_000;

/** Reads every host and the load balancer; a host that cannot be read is part of the answer, not a failure. */
export function surveyStep(ports: RolloutPorts, name: string, hosts: readonly string[]): StepCall<Survey> {
  return reading({ name, deadlineMs: SURVEY_MS, run: (scope) => survey(ports, hosts, scope.signal) });
}

/** The same without a step: for `observe`, and inside other steps. */
export async function survey(ports: RolloutPorts, hosts: readonly string[], signal?: AbortSignal): Promise<Survey> {
  const found = hosts.map(async (host): Promise<SurveyedHost> => {
    try {
      const [state, probe] = await Promise.all([ports.fleet.read(host, signal), ports.fleet.probe(host, signal)]);
      return { host, state, probe, problem: "" };
    } catch (error) {
      return { host, state: null, probe: null, problem: messageOf(error) };
    }
  });
  const [servers, ...surveyed] = await Promise.all([ports.loadBalancer.read(signal), ...found]);
  return { hosts: surveyed, servers };
}

/** The hosts that could not be read, as findings. */
export function unreadable(hosts: readonly SurveyedHost[]): Finding[] {
  return hosts.flatMap(({ host, problem }) => (problem === "" ? [] : [{ subject: host, ok: false, message: problem }]));
}

/** What a service said last, for a message; the log of the step gets more. */
export async function lastWords(ports: RolloutPorts, host: string, scope: StepScope): Promise<string> {
  const lines = await ports.fleet.serviceLog(host, 10, scope.signal).catch(() => []);
  // A rule or a bracket at the end of a trace says nothing.
  const last = spoken(lines.findLast((line) => /[\p{L}\p{N}]/u.test(line)) ?? "");
  if (lines.length > 0) scope.log(`${host}, end of the service's log:\n${lines.join("\n")}\n`);
  return last === "" ? "" : `; its log ends with: ${last}`;
}

/** What a line of a structured log says to people, under the names that loggers use; any other line as it is. */
function spoken(line: string): string {
  try {
    const entry = JSON.parse(line) as Record<string, unknown>;
    const text = [entry["reason"], entry["message"], entry["msg"], entry["error"]].find(
      (one) => typeof one === "string",
    );
    return text ?? line;
  } catch {
    return line;
  }
}
