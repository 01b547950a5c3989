import { z } from "zod";
import { StepFailedError, TerminalError, type DurableContext } from "../../engine/context.ts";
import { defineOperation } from "../../operation.ts";
import type { Finding, Operation, OperationCall, OperationReport } from "../../operation.ts";

const recipient = z.strictObject({ role: z.string(), addresses: z.array(z.string()) });

const args = z.strictObject({
  _: z.array(z.string()).max(0).default([]),
  /** The sentence of the runbook. */
  instruction: z.string().min(1),
  look: z.array(
    z.strictObject({ operation: z.string(), args: z.record(z.string(), z.union([z.string(), z.literal(true)])) }),
  ),
  suggest: z.array(z.string()),
  note: z.string(),
  /** Who is told that the incident is being handled; only in its first step. */
  tell: z.strictObject({ incident: z.string(), to: z.array(recipient) }).optional(),
});
/** The arguments of `follow-instruction`. */
export type InstructionArgs = z.output<typeof args>;

/** What following an instruction needs of the world. */
export interface IncidentPorts {
  /** The operations that may look; those that change something are never called here. */
  readonly operations: () => ReadonlyMap<string, Operation>;
  /** Tells people that an incident is being handled; never rejects. */
  readonly tell: (
    incident: NonNullable<InstructionArgs["tell"]>,
    call: Pick<OperationCall<unknown>, "system" | "actor">,
    runId: string,
  ) => Promise<void>;
}

/** What a person says about an instruction. */
interface Answer {
  readonly as: "done" | "skip" | "abort";
  readonly by: string;
  readonly reason?: string;
}

const TELL_MS = 30_000;
const DAY_MS = 86_400_000;

/**
 * One instruction of an emergency procedure, which is prose: looks at what Sunny can see of it, then waits until a named
 * person says that it was done, is left out, or that the incident is over. Changes nothing itself.
 */
export function followInstruction(ports: IncidentPorts): Operation {
  return defineOperation<InstructionArgs>({
    name: "follow-instruction",
    script: null,
    title: "Have a person carry out an instruction, with what Sunny can see of it",
    args,
    changes: [],
    deadlineMs: 7 * DAY_MS,
    run: (ctx, call) => follow(ctx, ports, call),
  });
}

async function follow(
  ctx: DurableContext,
  ports: IncidentPorts,
  call: OperationCall<InstructionArgs>,
): Promise<OperationReport> {
  const { instruction, suggest, note, tell } = call.args;
  if (tell !== undefined) await tellPeople(ctx, ports, call, tell);
  const findings = await lookAround(ctx, ports, call);
  const answer = await ctx.waitFor<Answer>(`${call.stepName}/answer`, {
    held: {
      what: instruction,
      choices: ["done", "skip", "abort"],
      details: [
        ...findings.map(({ subject, ok, message }) => `${ok ? "found" : "WRONG"}  ${subject}: ${message}`),
        ...(note === "" ? [] : [`note   ${note}`]),
        ...suggest.map((command) => `try    ${command}`),
      ],
    },
  });
  if (!answer.ok) throw new Error("a wait without an end timed out");
  const { as, by, reason = "" } = answer.value;
  const words = reason === "" ? "" : `: ${reason}`;
  if (as === "abort") throw new TerminalError("INCIDENT_ENDED", `${by} ended it at "${instruction}"${words}`);
  const summary = as === "done" ? `done by ${by}${words}` : `left out by ${by}${words}`;
  return { summary, findings, data: { as, by, ...(as === "skip" ? { notNeeded: true } : {}) } };
}

async function tellPeople(
  ctx: DurableContext,
  ports: IncidentPorts,
  call: OperationCall<InstructionArgs>,
  tell: NonNullable<InstructionArgs["tell"]>,
): Promise<void> {
  const run = async (): Promise<null> => {
    await ports.tell(tell, call, ctx.runId);
    return null;
  };
  try {
    await ctx.step(`${call.stepName}/tell`, run, { disposition: { kind: "idempotent" }, deadlineMs: TELL_MS });
  } catch (error) {
    // An incident is handled also when nobody can be reached.
    if (!(error instanceof StepFailedError)) throw error;
  }
}

/** A check that finds something wrong is what it is for here; it never ends the procedure. */
async function lookAround(
  ctx: DurableContext,
  { operations }: IncidentPorts,
  call: OperationCall<InstructionArgs>,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { operation: name, args: given } of call.args.look) {
    const operation = operations().get(name);
    if (operation === undefined || operation.changes.length > 0) continue;
    try {
      const own = { ...call, args: operation.args.parse({ _: [], ...given }), stepName: `${call.stepName}/${name}` };
      const { summary } = await operation.run(ctx, own);
      findings.push({ subject: name, ok: true, message: summary });
    } catch (error) {
      if (!(error instanceof StepFailedError || error instanceof TerminalError)) throw error;
      findings.push({ subject: name, ok: false, message: error.message });
    }
  }
  return findings;
}
