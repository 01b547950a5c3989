/** Models for the frames of the terminal view: one deployment at several moments. */
import type { StepState, ViewHost, ViewModel, ViewPhase, ViewRule } from "../../src/cli/view/model.ts";

/** 12:00 UTC; every model is looked at five minutes later. */
export const STARTED = Date.UTC(2026, 2, 1, 12);
export const NOW = STARTED + 301_000;

const step = (id: string, title: string, state: StepState, ms?: number, note?: string): ViewPhase["steps"][number] => ({
  id,
  title,
  state,
  ...(ms === undefined ? {} : { ms }),
  ...(note === undefined ? {} : { note }),
});

const gates: ViewPhase = {
  id: "gates",
  title: "Gates",
  steps: [
    step("g1", "All pull requests reviewed and approved", "attested", 10, "by operator"),
    step("g2", "Production SSL certificates valid", "done", 240, "verify-ssl: valid for 61 days"),
    step("g3", "Database backups current", "done", 80),
    step("g4", "Secrets rotated if needed", "attested", 10, "by operator"),
  ],
};

const prepared: ViewPhase = {
  id: "1",
  title: "1 Pre-Deployment",
  steps: [
    step("1a", "Verify production readiness", "done", 1_900),
    step("1b", "Run security tests", "done", 4_300),
    step("1c", "Backup databases", "done", 2_200),
  ],
};

const infrastructure: ViewPhase = {
  id: "2",
  title: "2 Deploy Infrastructure Updates",
  steps: [
    step("2a", "Update infrastructure if needed", "skipped", 20, "unchanged"),
    step("2b", "Verify infrastructure", "done", 700),
  ],
};

const migration: ViewPhase = {
  id: "3",
  title: "3 Database Migration",
  steps: [step("3a", "Run database migrations", "done", 900), step("3b", "Verify migrations", "done", 300)],
};

const verification: ViewPhase = {
  id: "5",
  title: "5 Post-Deployment Verification",
  steps: [
    step("5a", "Run health checks", "pending"),
    step("5b", "curl https://api.sunnypayments.com/status", "pending"),
    step("5c", "Verify monitoring", "pending"),
  ],
};

const host = (name: string, state: ViewHost["state"], version: string, weight: number, sessions: number): ViewHost => ({
  name,
  state,
  version,
  weight,
  sessions,
});

const wave = (base: number, swing: number, from = 0): number[] =>
  Array.from({ length: 48 }, (_, i) => base + swing * Math.sin((i + from) / 3) ** 2);

const rule = (name: string, arm: ViewRule["arm"], limit: number, unit: string, recent: readonly (number | null)[]): ViewRule => ({
  id: `${name}/${arm}`,
  name,
  arm,
  value: recent.at(-1) ?? null,
  limit,
  unit,
  verdict: "healthy",
  evidence: "e-value 0.4 of 100 needed",
  recent,
});

const deploying = (state: StepState, note: string, ms: number): ViewPhase => ({
  id: "4",
  title: "4 Application Deployment",
  steps: [step("4a", "Deploy new version", state, ms, note), step("4b", "Monitor deployment", "pending")],
});

const base: ViewModel = {
  deployment: "d-118",
  service: "payments",
  environment: "production",
  from: "2.0.0",
  to: "2.1.0",
  planDigest: `sha256:9f3ca1b2c4d5${"0".repeat(52)}`,
  state: "running",
  started: STARTED,
  ended: null,
  phases: [gates, prepared, infrastructure, migration, deploying("running", "canary on web-1", 73_000), verification],
  hosts: [
    host("web-1", "healthy", "2.1.0", 10, 3),
    host("web-2", "serving", "2.0.0", 30, 11),
    host("web-3", "serving", "2.0.0", 30, 12),
    host("web-4", "serving", "2.0.0", 30, 9),
  ],
  traffic: [
    { version: "2.1.0", percent: 10 },
    { version: "2.0.0", percent: 90 },
  ],
  rules: [
    rule("Error rate > 1%", "canary", 1, "%", wave(0.05, 0.4)),
    rule("Response time > 500ms (p95)", "canary", 500, "ms", wave(180, 60, 2)),
    rule("CPU usage > 80%", "canary", 80, "%", wave(31, 12)),
    rule("Memory usage > 85%", "canary", 85, "%", wave(40, 2)),
  ],
  progress: { title: "Bake", since: NOW - 48_000, until: NOW + 42_000 },
  waiting: null,
  log: [
    { at: NOW - 50_000, text: "web-1 answers with version 2.1.0", step: "deploy/web-1" },
    { at: NOW - 49_000, text: "weight of web-1 is 10 %", step: "deploy/web-1" },
    { at: NOW - 48_000, text: "bake of 90 s begins", step: "deploy/canary" },
  ],
  problems: [],
};

const failing = base.rules.map((one) => {
  if (!one.name.startsWith("Error")) return one;
  const recent = [...one.recent.slice(0, 36), null, null, 2.2, 4.1, 5.3, 4.8, 5.1, 5.6, 4.9, 5.2, 5, 5.1];
  return { ...one, recent, value: 5.1, verdict: "degraded" as const, evidence: "e-value 212 of 100 needed" };
});

/** By the name of the golden file. */
export const MODELS: Readonly<Record<string, ViewModel>> = {
  running: base,
  waiting: {
    ...base,
    state: "waiting",
    phases: [gates, ...[prepared, infrastructure, migration, deploying("pending", "", 0), verification].map(pending)],
    hosts: base.hosts.map((one) => ({ ...one, state: "serving", version: "2.0.0", weight: 25 })),
    traffic: [{ version: "2.0.0", percent: 100 }],
    rules: [],
    progress: null,
    log: [],
    waiting: {
      for: "approval by CTO",
      since: NOW - 130_000,
      until: NOW + 3_470_000,
      command: "sunny approve d-118 --as \"Chief Technology Officer\"",
    },
  },
  breach: {
    ...base,
    to: "2.2.0",
    state: "rolling-back",
    reason: "Error rate > 1% was breached on the canary: 5.1 %, limit 1 %",
    phases: [
      gates,
      prepared,
      infrastructure,
      migration,
      deploying("failed", "error rate 5.1 % on the canary, limit 1 %", 81_000),
      {
        id: "rollback",
        title: "Immediate Rollback",
        steps: [
          step("r1", "Rollback application", "running", 2_100, "web-1 returns to 2.0.0"),
          step("r2", "Rollback database if needed", "pending"),
          step("r3", "Verify rollback", "pending"),
        ],
      },
    ],
    hosts: [host("web-1", "reverting", "2.2.0", 0, 1), ...base.hosts.slice(1)],
    traffic: [
      { version: "2.2.0", percent: 0 },
      { version: "2.0.0", percent: 100 },
    ],
    rules: failing,
    progress: null,
    problems: ["Error rate > 1% on the canary: 5.1 %, limit 1 % (e-value 212 of 100 needed)"],
  },
  held: {
    ...base,
    state: "held",
    reason: "the outcome of \"Run database migrations\" is not known",
    phases: [gates, prepared, { ...migration, steps: [step("3a", "Run database migrations", "held", 60_000, "the connection was lost while it ran")] }],
    rules: [],
    progress: null,
    waiting: { for: "a decision on step migrate", since: NOW - 20_000, until: null, command: "sunny resolve d-118 --step migrate --as done|retry|skip|rollback" },
  },
  succeeded: {
    ...base,
    state: "succeeded",
    reason: "4 hosts run 2.1.0",
    ended: NOW - 1_000,
    phases: base.phases.map((phase) => ({
      ...phase,
      steps: phase.steps.map((one) => (["pending", "running"].includes(one.state) ? { ...one, state: "done" as const, ms: 1_500 } : one)),
    })),
    hosts: base.hosts.map((one) => ({ ...one, state: "serving" as const, version: "2.1.0", weight: 25 })),
    traffic: [{ version: "2.1.0", percent: 100 }],
    progress: null,
  },
  fleet: {
    ...base,
    hosts: Array.from({ length: 40 }, (_, i) => {
      const state = i < 14 ? "serving" : i < 17 ? "activating" : i === 30 ? "down" : "serving";
      return host(`web-${String(i + 1).padStart(2, "0")}`, state, i < 16 ? "2.1.0" : "2.0.0", 2.5, 4);
    }),
    traffic: [
      { version: "2.1.0", percent: 37.5 },
      { version: "2.0.0", percent: 62.5 },
    ],
  },
  thousand: {
    ...base,
    hosts: Array.from({ length: 1_000 }, (_, i) =>
      host(`web-${String(i + 1).padStart(4, "0")}`, i >= 380 && i < 400 ? "activating" : i === 700 ? "down" : "serving", i < 400 ? "2.1.0" : "2.0.0", 0.1, 4),
    ),
  },
  hostile: {
    ...base,
    service: "zahlungen-ärzte",
    phases: [{ id: "1", title: "支払いサービスのデプロイ \u001B[31mred\u001B[0m", steps: [step("x", "a\nb\u202Ec\u0007", "running", 5, "x".repeat(300))] }],
    hosts: [host("a-host-with-a-name-that-does-not-end-anywhere-soon.example.org", "down", "2.0.0", 0, 0)],
    rules: [{ ...base.rules[0]!, value: null, recent: [], verdict: "blind", evidence: "\u001B]0;title\u0007no data" }],
    log: [{ at: NOW, text: "\u001B[2J\u001B[Hcleared?\r\nno" }],
  },
};

function pending(phase: ViewPhase): ViewPhase {
  return { ...phase, steps: phase.steps.map(({ id, title }) => ({ id, title, state: "pending" })) };
}
