import type { Contact, Emergency } from "../../runbook/model.ts";
import type { InstructionArgs } from "./follow-instruction.ts";
import { guidanceFor } from "./guidance.ts";

/** One instruction with the arguments of the operation that follows it. */
export interface PlannedInstruction {
  readonly id: string;
  readonly text: string;
  readonly line: number;
  readonly args: InstructionArgs;
}

/**
 * The steps of an emergency procedure, in its order. Commands that it names are suggested and not run: what changes
 * something has a policy of its own. The first step tells the contacts.
 */
export function planIncident(emergency: Emergency, contacts: readonly Contact[]): PlannedInstruction[] {
  const to = contacts.map(({ role, addresses }) => ({ role, addresses: [...addresses] }));
  return emergency.steps.map(({ id, text, line, commands }, at) => {
    const { look, suggest, note } = guidanceFor(text);
    return {
      id,
      text,
      line,
      args: {
        _: [],
        instruction: text,
        look: look.map(({ operation, args }) => ({ operation, args: { ...args } })),
        suggest: [...commands.map((command) => command.text), ...suggest],
        note,
        ...(at === 0 ? { tell: { incident: emergency.title, to } } : {}),
      },
    };
  });
}
