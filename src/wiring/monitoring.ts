import { readFileSync } from "node:fs";
import type { MetricSource } from "../analysis/metrics.ts";
import type { Monitored, Monitoring } from "../operations/checks/ports.ts";
import type { System } from "../system/schema.ts";
import type { SourceNeeds } from "./metric-source.ts";
import type { WatchHost } from "./watch-host.ts";

/** Where there is nothing to ask. */
const SILENT: MetricSource = {
  name: "no metric source",
  read: (hosts) => Promise.resolve(hosts.map((host) => ({ host, failed: "nothing says where its metrics are" }))),
};

/**
 * What checks read of the monitoring: the rules of the run at hand, or, by hand, those of the configured runbook, and
 * whether they get data now.
 */
export function monitoringOf(system: System, watched: () => Promise<WatchHost>, needs: SourceNeeds): Monitoring {
  return {
    watching: async () => (await watched()).watching,
    async monitored(): Promise<Monitored> {
      const { plan } = await watched();
      const file = plan?.runbook?.file ?? system.runbook;
      const frozen = plan === null || plan.metrics === null ? undefined : { rules: plan.rules, metrics: plan.metrics };
      const { parseRunbook } = await import("../runbook/parse.ts");
      const { metricSource, watchedNow } = await import("./metric-source.ts");
      const { runbook } = parseRunbook(readFileSync(file, "utf8"), file);
      const { rules, metrics, diagnostics } = await watchedNow(system, runbook, frozen, needs);
      const source = metrics === null ? SILENT : await metricSource(system, { rules, metrics }, needs);
      return { source, rules, problems: diagnostics.map((one) => one.message) };
    },
  };
}
