/** What Sunny has to offer for an instruction of an incident, found by its words. */
export interface Guidance {
  /** Operations that only read; what they find is shown with the question. */
  readonly look: readonly { readonly operation: string; readonly args: Readonly<Record<string, string | true>> }[];
  /** Commands that a person may want to run, each in a run of its own with its own policy and record. */
  readonly suggest: readonly string[];
  /** What has to be known before; empty when nothing has. */
  readonly note: string;
}

/** One row of the table in docs/reference/operations.md. The first row that fits counts. */
interface Row extends Guidance {
  readonly words: RegExp;
}

const look = (operation: string, args: Record<string, string | true> = {}): Guidance["look"][number] => ({
  operation,
  args,
});

const NONE: Guidance = { look: [], suggest: [], note: "" };

const TABLE: readonly Row[] = [
  {
    words: /\b(isolat|quarantin|disconnect)/i,
    look: [look("verify-infrastructure")],
    suggest: ["sunny traffic", "sunny traffic set HOST --state maint"],
    note: "A host in maintenance gets no requests; it keeps running and stays reachable for an investigation.",
  },
  {
    words: /\brotat\w*\b.*\b(credential|secret|key|password|certificate|token)/i,
    look: [look("verify-ssl")],
    suggest: ["sunny run renew-ssl -- --force"],
    note: "Sunny renews certificates only. Other secrets are rotated where they are kept.",
  },
  {
    words: /\b(stop|halt|freeze|pause)\b.*\b(writes?|writing|traffic|operations?)\b/i,
    look: [look("check-db-connection")],
    suggest: ["sunny traffic", "sunny traffic set HOST --state drain"],
    note: "Sunny has no read-only mode. It takes hosts out of traffic, down to rollout.minServing.",
  },
  {
    words: /\b(restor|recover)\w*\b.*\bbackups?\b/i,
    look: [look("backup-databases", { verify: true })],
    suggest: ["sunny run backup-databases -- --verify"],
    note: "A restored backup lacks what was acknowledged after it. Sunny proves backups and never restores one over live data.",
  },
  {
    words: /\b(assess|verif|check|validat)\w*\b.*\b(data|integrity|loss)\b/i,
    look: [look("check-db-connection"), look("verify-migrations")],
    suggest: ["sunny run check-db-connection", "sunny run verify-migrations"],
    note: "",
  },
  {
    words: /\b(root cause|identify|diagnos|investigat)/i,
    look: [look("verify-infrastructure"), look("check-db-connection"), look("analyze-memory")],
    suggest: ["sunny monitor", "sunny status", "sunny logs", "sunny explain"],
    note: "",
  },
  {
    words: /\b(restore|resume|restart|recover)\b.*\b(services?|operations?|traffic)\b|\bswitch\b|\bfail ?over\b/i,
    look: [look("verify-infrastructure")],
    suggest: ["sunny rollback", "sunny traffic set HOST --state ready", "sunny run restart-service -- SERVICE"],
    note: "",
  },
  {
    words: /\b(incident report|post-?mortem|evidence)\b/i,
    look: [],
    suggest: ["sunny status", "sunny audit export ID --out DIR"],
    note: "The journal and the audit log have what was done through Sunny, by whom and when.",
  },
];

/** What fits the words of an instruction; nothing when no row does. */
export function guidanceFor(instruction: string): Guidance {
  const row = TABLE.find(({ words }) => words.test(instruction));
  return row === undefined ? NONE : { look: row.look, suggest: row.suggest, note: row.note };
}
