/** Bugs planted on purpose, each as a wrapper from outside: what the simulation must find. */
import type { StepCall } from "../../src/engine/context.ts";
import type { Control, Question } from "../../src/engine/rows.ts";
import type { JournalStorage } from "../../src/engine/storage.ts";
import { simulatedFleet } from "../../src/rehearsal/hosts.ts";
import type { SimulatedProcess } from "../../src/rehearsal/process.ts";
import type { SimulatedWorld } from "../../src/rehearsal/world.ts";
import type { Broken } from "./trials.ts";

export interface Planted {
  readonly name: string;
  /** Where it shows. */
  readonly scenario: string;
  readonly broken: () => Broken;
  /** What the same scenario needs in any case, without the bug. */
  readonly sound?: () => Broken;
}

export const PLANTED: readonly Planted[] = [
  {
    name: "an effect before its intent",
    scenario: "deploy-with-command",
    broken: () => ({ defects: { wrapStorage: lazyIntents() } }),
  },
  { name: "a switch in two steps", scenario: "rollback", broken: () => ({ defects: { switchInTwoSteps: true } }) },
  { name: "a lease without fencing", scenario: "rollback", broken: () => ({ defects: { fencing: false } }) },
  {
    name: "a hold that does not raise the fence",
    scenario: "restart",
    sound: () => ({ change: byHand(true), person: hastyPerson }),
    broken: () => ({ change: byHand(false), person: hastyPerson }),
  },
  {
    name: "an abort that leaves an unknown step unresolved",
    scenario: "deploy-aborted-before-commit",
    broken: () => ({
      change: () => (call) => without(call, /\/apply-\d/, { kind: "idempotent", readOnly: true }),
    }),
  },
  {
    name: "a migration that is run again instead of asked about",
    scenario: "deploy",
    broken: () => ({ change: () => (call) => without(call, /\/apply-\d/, { kind: "idempotent" }) }),
  },
];

function without<T>(
  call: StepCall<T>,
  name: RegExp,
  disposition: { readonly kind: "idempotent"; readonly readOnly?: boolean },
): StepCall<T> {
  return name.test(call.name) ? { ...call, options: { ...call.options, disposition } } : call;
}

/** Takes everything that is asked for done, and does not look before. */
function hastyPerson(question: Question): Control {
  if (question.ask === "resolve") return { kind: "resolve", step: question.step, as: "skip" };
  return { kind: "signal", name: question.signal, value: { as: "done", by: "operator", reason: "in a hurry" } };
}

/** Restarts become steps that a person resolves, with or without showing the host the newer fence before. */
function byHand(raisesFence: boolean) {
  return (process: SimulatedProcess, world: SimulatedWorld) =>
    <T>(call: StepCall<T>): StepCall<T> => {
      const host = /\/(web-\d+)\/restart$/.exec(call.name)?.[1];
      if (host === undefined) return call;
      const raise = (scope: Parameters<StepCall<T>["fn"]>[0]): Promise<void> =>
        simulatedFleet(world, process).raiseFence(host, scope);
      const manual = { kind: "manual", intended: `restart ${host}`, whenDone: null as T } as const;
      const disposition = raisesFence ? { ...manual, raiseFence: raise } : manual;
      return { ...call, options: { ...call.options, disposition } };
    };
}

/** An intent that is only durable with whatever is written next, so that a crash meanwhile loses it. */
function lazyIntents(): (storage: JournalStorage, process: SimulatedProcess, world: SimulatedWorld) => JournalStorage {
  let loose: { readonly by: SimulatedProcess; readonly from: number } | undefined;
  return (storage, process, world) => ({
    ...storage,
    transaction: (work) => {
      const { rows } = world.disk;
      if (loose !== undefined && loose.by !== process && loose.by.state === "dead" && rows.at(-1)?.type === "intent") {
        rows.splice(loose.from);
      }
      loose = undefined;
      const before = rows.length;
      const result = storage.transaction(work);
      let from = rows.length;
      while (from > before && rows[from - 1]?.type === "intent") from -= 1;
      if (from < rows.length) loose = { by: process, from };
      return result;
    },
  });
}
