import type { Configure } from "./configure.ts";

/** What `sunny --help` knows of a verb, and how its module is loaded. */
export interface Verb {
  readonly summary: string;
  readonly group: "Plan" | "Run" | "Decide" | "Look" | "Keep";
  /** It is about all hosts that there are now, and refused when the inventory cannot say which. */
  readonly needsInventory?: true;
  /** It shows whether hosts can be reached, so that no connection of an earlier call counts. */
  readonly connectsAnew?: true;
  load(): Promise<{ readonly configure: Configure }>;
}

/** Every verb in the order in which `sunny --help` shows them. */
export const VERBS: Readonly<Record<string, Verb>> = {
  lint: { summary: "check a runbook", group: "Plan", load: () => import("./lint.ts") },
  doctor: {
    summary: "check what runbook and configuration need before a run",
    group: "Plan",
    needsInventory: true,
    connectsAnew: true,
    load: () => import("./doctor.ts"),
  },
  plan: {
    summary: "compile runbook, system and release to a frozen plan",
    group: "Plan",
    needsInventory: true,
    load: () => import("./plan.ts"),
  },
  rehearse: {
    summary: "try a plan in a simulated world, with each step failing and each crash",
    group: "Plan",
    needsInventory: true,
    load: () => import("./rehearse.ts"),
  },
  deploy: { summary: "carry out a plan", group: "Run", needsInventory: true, load: () => import("./deploy.ts") },
  rollback: {
    summary: "go back to an earlier release, at once or gradually",
    group: "Run",
    load: () => import("./rollback.ts"),
  },
  run: { summary: "list or run operations and operator procedures", group: "Run", load: () => import("./run.ts") },
  emergency: {
    summary: "list or go through the emergency procedures of the runbook",
    group: "Run",
    load: () => import("./emergency.ts"),
  },
  resume: {
    summary: "go on with a deployment that was paused, held or killed",
    group: "Run",
    load: () => import("./resume.ts"),
  },
  approve: {
    summary: "approve or deny a plan, or a deployment outside of the windows",
    group: "Decide",
    load: () => import("./approve.ts"),
  },
  attest: { summary: "vouch for gates that have no check", group: "Decide", load: () => import("./attest.ts") },
  pause: {
    summary: "stop a running deployment after its current step",
    group: "Decide",
    load: () => import("./pause.ts"),
  },
  abort: { summary: "stop a deployment and take everything back", group: "Decide", load: () => import("./abort.ts") },
  resolve: { summary: "answer what a held deployment asks", group: "Decide", load: () => import("./resolve.ts") },
  traffic: { summary: "show or set what the load balancer does", group: "Look", load: () => import("./traffic.ts") },
  status: { summary: "what runs, and how far it is", group: "Look", load: () => import("./status.ts") },
  watch: { summary: "follow a deployment live", group: "Look", load: () => import("./watch.ts") },
  monitor: {
    summary: "watch the hosts against the runbook's thresholds",
    group: "Look",
    load: () => import("./monitor.ts"),
  },
  explain: {
    summary: "why a deployment was judged as it was",
    group: "Look",
    load: () => import("./explain.ts"),
  },
  logs: { summary: "output of the steps of a deployment", group: "Look", load: () => import("./logs.ts") },
  adopt: { summary: "take hosts over from another state directory", group: "Keep", load: () => import("./adopt.ts") },
  audit: { summary: "verify and export the audit log", group: "Keep", load: () => import("./audit.ts") },
  release: { summary: "pack, sign, verify and list releases", group: "Keep", load: () => import("./release.ts") },
};
