import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "../../clock.ts";
import {
  CONTRACT_BINDING,
  contractPage,
  metricSourceContract,
} from "../../operations/monitor/metric-source.contract.ts";
import { scrapeSource } from "./source.ts";

metricSourceContract("scrape", async (t) => {
  const pages = new Map<string, string | null>();
  const server = createServer((request, response) => {
    const page = pages.get(request.url!.slice(1));
    if (page === null || page === undefined) request.socket.destroy();
    else response.end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const targets = ["web-1", "web-2"].map((host) => ({ host, url: `http://127.0.0.1:${port}/${host}` }));
  for (const { host } of targets) pages.set(host, contractPage(host, 10));
  return {
    source: scrapeSource(CONTRACT_BINDING, { targets, clock: systemClock }),
    now: () => systemClock.now(),
    serve: (host, page) => void pages.set(host, page),
    // A reading must be later than the one before, by the clock's own step.
    seen: () => new Promise((resolve) => systemClock.timer(5, resolve)),
  };
});
