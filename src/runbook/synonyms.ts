/** Words and groups of words that say the same in a heading; the first of a line stands for all of them. */
const SAME: readonly string[] = [
  "deployment deploy deploys deploying deployments release releases releasing rollout rollouts roll_out rolling_out ship ships " +
    "shipping launch launches launching go_live going_live update updating upgrade upgrading",
  "rollback rollbacks roll_back rolling_back revert reverts reverting undo undoing backout back_out backing_out fallback " +
    "fall_back falling_back way_back go_back going_back get_back getting_back put_back turn_back",
  "immediate immediately instant instantly fast quick quickly rapid urgent at_once right_away now",
  "gradual gradually partial phased staged progressive incremental slow slowly gentle stepwise step_by_step host_by_host " +
    "node_by_node server_by_server one_by_one",
  "issue issues problem problems failure failures fault faults trouble troubles error errors",
  "fix fixes solution solutions remedy remedies workaround workarounds answer answers cure cures",
  "common known typical frequent recurring usual",
  "threshold thresholds limit limits level levels",
  "alert alerts alarm alarms alerting",
  "condition conditions criterion criteria trigger triggers rule rules",
  "metric metrics signal signals indicator indicators kpi kpis figure figures number numbers",
  "watch watching monitor monitors monitoring observe observing look_at track keep_an_eye_on",
  "emergency emergencies incident incidents disaster disasters crisis crises",
  "contact contacts",
  "who whom",
  "call page reach",
  "escalation escalate escalates escalating escalations",
  "compliance regulation regulations regulatory",
  "window windows time times hour hours slot slots",
  "allowed permitted possible",
  "prerequisites prerequisite prereq prereqs precondition preconditions requirement requirements",
  "tool tools tooling",
  "readiness ready",
  "preparation preparations preparing prepare",
  "required needed necessary",
  "access permission permissions credential credentials",
  "previous prior last old earlier former",
  "restore restoring return returning back",
  "operation operations ops",
  "daily day_to_day routine operational everyday",
  "playbook playbooks",
];

/** What begins or follows a deployment, and what people call the things to be done then: any of the latter will do. */
const BEFORE: ReadonlySet<string> = new Set(["before", "pre", "ahead"]);
const AFTER: ReadonlySet<string> = new Set(["after", "post", "once", "following"]);
const TASKS: ReadonlySet<string> = new Set(
  (
    "check checks checking checklist checklists gate gates task tasks activity activities action actions item items verification " +
    "verifications verify validation validations approvals approval sign off offs signoff signoffs tests work care duties"
  ).split(" "),
);

const TO_FIRST: ReadonlyMap<string, string> = new Map(
  SAME.flatMap((line) => {
    const words = line.split(" ");
    return words.map((word) => [word, words[0]!] as const);
  }),
);
/** The longest group of words is three. */
const LONGEST = 3;
/** With what a group of several words begins. */
const OPENINGS: ReadonlySet<string> = new Set(
  [...TO_FIRST.keys()].flatMap((group) => (group.includes("_") ? [group.slice(0, group.indexOf("_"))] : [])),
);

/** The words with each replaced by the one that stands for it. */
export function canonical(words: readonly string[]): string[] {
  const found: string[] = [];
  for (let at = 0; at < words.length;) {
    let group = words[at]!;
    let length = OPENINGS.has(group) ? Math.min(LONGEST, words.length - at) : 1;
    while (length > 1 && !TO_FIRST.has(words.slice(at, at + length).join("_"))) length--;
    if (length > 1) group = words.slice(at, at + length).join("_");
    const first = TO_FIRST.get(group) ?? group;
    // "Shipping the release" names one thing twice.
    if (found.at(-1) !== first) found.push(first);
    at += length;
  }
  return found;
}

/**
 * Whether canonical words say "before the deployment" or "after the deployment", with nothing else in them but a word for
 * what is to be done then.
 */
export function aroundDeployment(words: readonly string[]): "before" | "after" | undefined {
  if (words.length < 2) return undefined;
  const when = words.filter((word) => BEFORE.has(word) || AFTER.has(word));
  const rest = words.filter((word) => !BEFORE.has(word) && !AFTER.has(word) && !TASKS.has(word));
  if (when.length !== 1 || rest.some((word) => word !== "deployment" && word !== "live")) return undefined;
  return BEFORE.has(when[0]!) ? "before" : "after";
}
