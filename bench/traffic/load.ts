import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { CustomerSettings, CustomersResult, LoadLevel } from "../../test/support/traffic/customers.ts";

/** What the customers' process is told. */
export type LoadOrder =
  | { readonly do: "open"; readonly settings: CustomerSettings }
  | { readonly do: "begin"; readonly name: string; readonly load: LoadLevel }
  | { readonly do: "count" }
  | { readonly do: "stop" };

/** What it answers to `open`, `count` and `stop`. */
export interface LoadReply {
  /** Answers so far in the stretch under way. */
  readonly sent: number;
  readonly result?: CustomersResult;
}

export interface Load {
  /** Begins a new stretch of time under another load. */
  begin(name: string, load: LoadLevel): void;
  /** Answers so far in the stretch under way. */
  answered(): Promise<number>;
  stop(): Promise<CustomersResult>;
}

/** Starts the customers in a process of their own; it ends when this one does. */
export async function startLoad(settings: CustomerSettings): Promise<Load> {
  const child = fork(path.join(import.meta.dirname, "load-main.ts"), {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const tell = (order: LoadOrder): void => void child.send(order);
  const ask = async (order: LoadOrder): Promise<LoadReply> => {
    const answer = once(child, "message");
    const gone = once(child, "exit").then(() => {
      throw new Error("the load generator has ended");
    });
    gone.catch(() => {});
    tell(order);
    const [reply] = (await Promise.race([answer, gone])) as [LoadReply];
    return reply;
  };
  await ask({ do: "open", settings });
  return {
    begin: (name, load) => tell({ do: "begin", name, load }),
    answered: async () => (await ask({ do: "count" })).sent,
    async stop() {
      const { result } = await ask({ do: "stop" });
      if (result === undefined) throw new Error("the load generator gave no result");
      return result;
    },
  };
}
