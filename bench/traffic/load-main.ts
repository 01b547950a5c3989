/** The customers as a process of their own: takes orders from the process that started it, and ends with it. */
import process from "node:process";
import { Customers } from "../../test/support/traffic/customers.ts";
import type { LoadOrder, LoadReply } from "./load.ts";

let customers: Customers | undefined;

const reply = (message: LoadReply): void => void process.send?.(message);

async function obey(order: LoadOrder): Promise<void> {
  switch (order.do) {
    case "open":
      customers = new Customers(order.settings);
      return reply({ sent: 0 });
    case "begin":
      customers?.begin(order.name, order.load);
      return;
    case "count":
      return reply({ sent: customers?.answered ?? 0 });
    case "stop": {
      const result = await customers?.stop();
      if (result !== undefined) reply({ sent: 0, result });
      process.disconnect?.();
    }
  }
}

process.on("message", (order) => void obey(order as LoadOrder));
process.on("disconnect", () => process.exit(0));
// An interrupt from the terminal reaches the whole group; whoever started this decides what it means.
process.on("SIGINT", () => {});
