/** What a benchmark must not leave behind, also when a signal ends it. */
import { constants } from "node:os";
import process from "node:process";

type Undo = () => Promise<void> | void;

const open: (() => Promise<void>)[] = [];
let ending = false;

/** Remembers what undoes something; gives back what does it, once, whoever asks for it. */
export function undoAtEnd(undo: Undo): () => Promise<void> {
  let done: Promise<void> | undefined;
  const once = (): Promise<void> => (done ??= run());
  const run = async (): Promise<void> => {
    try {
      await undo();
    } finally {
      open.splice(open.indexOf(once), 1);
    }
  };
  open.push(once);
  return once;
}

/** From now on a signal that ends the program undoes first what is remembered, the newest first. */
export function undoOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      void undoAll().finally(() => process.exit(128 + constants.signals[signal]));
    });
  }
}

/** Whether a signal is being answered: what fails meanwhile fails because of it. */
export function isEnding(): boolean {
  return ending;
}

async function undoAll(): Promise<void> {
  for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
    await last().catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  }
}
