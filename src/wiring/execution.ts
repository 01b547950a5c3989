import type { AuditPlaces } from "../audit/places.ts";
import type { Clock } from "../clock.ts";
import type { DeploymentInput } from "../deployment/input.ts";
import { nestedChanges } from "../deployment/nested-runs.ts";
import { permissionOf } from "../deployment/standing.ts";
import { deploymentWorkflow } from "../deployment/workflow.ts";
import { createEngine, type RunResult } from "../engine/engine.ts";
import type { Journal } from "../engine/journal.ts";
import type { RunRecord } from "../engine/storage.ts";
import type { KeyedPerson } from "../gate/people.ts";
import type { StatementStore } from "../gate/store.ts";
import type { Notifier } from "../notify/notice.ts";
import type { Operation } from "../operation.ts";
import { scrubber } from "../secret.ts";
import type { System } from "../system/schema.ts";
import { activeRelease } from "./active-release.ts";
import { commandGate } from "./command-gate.ts";
import type { Connected } from "./connect.ts";
import { EscalationHost } from "./escalation-host.ts";
import { sqliteEscalations } from "./escalation-store.ts";
import { copyToHosts, newestCheckpoint } from "./host-checkpoints.ts";
import { alertsOf, noticesOf } from "./notices.ts";
import { observer } from "./preparing.ts";
import { waitingOf } from "./waiting.ts";
import type { WatchHost } from "./watch-host.ts";

/** What carrying runs out needs of an environment. */
export interface ExecutorNeeds {
  readonly system: System;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly connected: Connected;
  readonly operations: ReadonlyMap<string, Operation>;
  readonly people: readonly KeyedPerson[];
  readonly statements: StatementStore;
  readonly notifier: Notifier;
  readonly watch: WatchHost;
  /** Where the audit log is, whose newest checkpoint is copied to the hosts. */
  readonly places: AuditPlaces;
  /** The SQLite file in which escalations are kept. */
  readonly escalations: string;
}

/** Carries runs out in this process. */
export interface Executor {
  /** Takes a run up, watches the service and asks people meanwhile; ends when the run ends or stands still. */
  execute(runId: string, actor: string, seen?: RunRecord): Promise<RunResult>;
  close(): void;
}

/** Everything that works beside the workflow: its engine, the watcher, the escalation. */
export function executorOf(needs: ExecutorNeeds): Executor {
  const { journal, clock, watch, notifier } = needs;
  const engine = createEngine({ journal, clock, scrub: scrubber([]) });
  const deployment = workflowOf(needs);
  const store = sqliteEscalations(needs.escalations);
  const escalation = new EscalationHost({ clock, notifier, store, onNote: (text) => watch.note(text) });
  return {
    async execute(runId, actor, seen) {
      const run = journal.read.run(runId);
      if (run !== undefined) {
        const { plan } = run.input as unknown as DeploymentInput;
        await watch.begin({
          runId,
          plan,
          interrupt: (reason) => void engine.interrupt(runId, reason),
          onVerdict: alertsOf(notifier, { plan, runId }),
        });
        escalation.begin({
          runId,
          plan,
          waiting: () => waitingOf(journal.read, runId),
          onChange: (listener) => journal.onCommit(listener),
        });
      }
      try {
        const result = await engine.execute(runId, [deployment], { actor, ...(seen === undefined ? {} : { seen }) });
        // An outcome is shown only once its evidence is signed.
        await journal.flush();
        const ended = result.state === "done" || result.state === "failed" || result.state === "held";
        if (run !== undefined && ended) await copyCheckpoint(needs, run.input as unknown as DeploymentInput);
        return result;
      } finally {
        await Promise.all([watch.end(), escalation.end()]);
      }
    },
    close: () => store.close(),
  };
}

async function copyCheckpoint(needs: ExecutorNeeds, { plan }: DeploymentInput): Promise<void> {
  const { system, clock, journal, connected, places, watch } = needs;
  const where = { system, clock, transports: connected.transports, authority: journal.authority };
  for (const problem of await copyToHosts(where, plan, newestCheckpoint(places))) watch.note(problem);
}

function workflowOf(needs: ExecutorNeeds): ReturnType<typeof deploymentWorkflow> {
  const { system, clock, journal, connected, operations, people, statements } = needs;
  const hosts = system.hosts.map(({ name }) => name);
  return deploymentWorkflow({
    operations,
    permission: (plan, runId) => permissionOf(statements, { plan, runId, people, now: clock.now() }),
    commandGate: (gate, plan, log, signal) =>
      commandGate(gate, plan, connected.processes, connected.environment, log, signal),
    activeRelease: () => activeRelease(hosts, connected.fleet, connected.releases, true),
    observe: observer(operations, system),
    notify: noticesOf(needs.notifier, clock),
    nested: (runId) => nestedChanges(journal.read, runId),
  });
}
