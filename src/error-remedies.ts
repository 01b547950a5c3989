import type { ErrorCode } from "./error-codes.ts";
import { SunnyError } from "./errors.ts";

/**
 * What to do about each error where the place that it comes from does not know better: shown when an error has no hint
 * of its own, and beside each code in `docs/reference/errors.md`.
 */
export const REMEDIES: Readonly<Record<ErrorCode, string>> = {
  INTERNAL: "Report it with the output of the command; `sunny status` shows that nothing is lost.",
  USAGE: "`sunny --help`, or the verb with `--help`, shows what can be given.",
  FILE_UNREADABLE: "Check that the file exists and that this user may read it.",
  INTERRUPTED: "Go on with `sunny resume`, or go back with `sunny abort`.",

  ANALYSIS_SETTINGS: "Correct the limit in the runbook or the value below `monitoring` in the configuration.",

  METRIC_BUCKET_MISSING: "Give the histogram a bucket edge at the limit, or state a limit at one of its edges.",
  METRIC_NOT_FOUND: "Name the metric below `monitoring` in the configuration, or take the limit out of the runbook.",
  METRIC_SOURCE_DOWN: "Check that the source named below `monitoring.source` runs and can be reached from here.",
  NOTHING_WATCHED: "State limits below a heading `Alert thresholds` of the runbook; `sunny lint` shows what it reads.",
  THRESHOLD_UNSUPPORTED: "Reword the limit as metric, comparison, value and unit, as in `Error rate > 1 %`.",

  BACKUP_DAMAGED: "Use an older backup, or make a new one with `sunny run backup-databases`.",
  BACKUP_DISK_FULL: "Free space where backups are kept, or name another directory as `database.backupDir`.",
  BACKUP_FAILED: "Read its reason, put that right, and make the backup again with `sunny run backup-databases`.",
  BACKUP_KEY_WRONG: "Give the private key that belongs to the key the backup was made for.",
  CERTIFICATE_ISSUE_FAILED: "Check that the authority can be reached and knows the names that are asked for.",
  CERTIFICATE_UNREADABLE:
    "Check `certFile` and `keyFile` below `certificates`; `sunny run verify-ssl` checks them again.",
  CHECK_FAILED: "Put right what the message names, then run the check again.",
  DATABASE_FENCED: "Nothing: the newer run goes on. `sunny status` shows which one it is.",
  DATABASE_LOCKED: "Find out who keeps the database busy (`sunny run check-db-connection`), then try again.",
  DATABASE_UNREACHABLE: "Check `database` in the configuration and that the database runs; `sunny doctor` looks again.",
  ENVIRONMENT_MISMATCH:
    "Name the environment of this configuration, or another configuration with `--config FILE` or `SUNNY_CONFIG`.",
  HOST_UNKNOWN: "Name one of the hosts in the configuration; `sunny status` lists them.",
  HTTP_UNREACHABLE: "Check the address, and that the service answers there; `endpoints` says where a name leads.",
  INCIDENT_ENDED: "Start the procedure again with `sunny emergency` when it is still needed.",
  KEY_INVALID: "Give a PGP key that is valid, not expired and not locked.",
  MIGRATIONS_INVALID: "Correct the names or the contents of the release's migrations, and pack it again.",
  MIGRATION_CHANGED:
    "Put the migration back as it was applied, and make the change in a new one; then pack and plan again.",
  MIGRATION_FAILED: "Correct the migration, pack the release again, and make a new plan.",
  MIGRATION_IRREVERSIBLE: "Restore a backup from before it, or go on to a release that works with this schema.",
  MIGRATION_MISSING: "Deploy a release that has the migration as well.",
  MIGRATION_OUT_OF_ORDER: "Number the pending migration after those that are applied, and pack the release again.",
  MIGRATION_UNKNOWN: "Name one of the release's migrations, by the number in front of its name.",
  NO_RELEASE: "Name one with `--release VERSION`, or deploy one first.",
  PROGRAM_NOT_STARTED: "Install the program, or correct its path or its right to be executed.",
  SCHEMA_BEHIND: "Bring the schema up with `sunny run migrate`, or name a version that works with it.",
  SCHEMA_IN_USE: "Take the hosts back first with `sunny rollback`; it takes the schema back afterwards.",
  SCHEMA_UNKNOWN: "Find out who changed the schema by hand, and bring it back to that of a migration.",
  SCHEMA_UNRECORDED: "Name a version that was deployed with Sunny; `sunny status` lists them.",
  SERVICE_ADMIN_UNREACHABLE: "Check that the service runs on that host and that its administrative address is right.",
  SCRIPT_CHANGED: "Look at what was changed in the script, then make a new plan and have that approved.",
  SUBPROCESS_FAILED: "`sunny logs` shows what the command printed; put right what it complains about.",
  TERRAFORM_FAILED: "`sunny logs` shows what Terraform printed; put that right and make a new plan.",
  TERRAFORM_MISSING: "Install `terraform` or `tofu`, or name the program under `infrastructure.binaries`.",
  TERRAFORM_PLAN_STALE: "Make a new plan, so that what is applied is what was looked at.",
  TERRAFORM_REFUSED: "Change the infrastructure in smaller steps, or allow it by address with `--allow-destroy`.",
  TLS_UNREACHABLE: "Check that something listens for TLS at that address, and that it can be reached from here.",

  AUDIT_AHEAD: "Use the state directory that belongs to this log; do not copy one over the other.",
  AUDIT_BEYOND_REPAIR: "Keep everything as it is; `sunny audit verify` says what differs from what.",
  AUDIT_CHECKPOINT_INVALID: "Give a checkpoint as `sunny audit checkpoint` printed it, of this log.",
  AUDIT_COPY_MISSING: "Bring the second copy back from where it was kept, at `checkpointCopyDir`.",
  AUDIT_CORRUPT: "Keep the database as it is; `sunny audit verify` says which actions are concerned.",
  AUDIT_EVIDENCE_EXISTS: "Name a directory that does not exist yet with `--out`.",
  AUDIT_FORKED: "Keep both as they are; `sunny audit verify --against` says from where on they differ.",
  AUDIT_KEY_MISSING: "Bring the key back from a copy; a new key would begin another log.",
  AUDIT_LEAF_INVALID: "Report it with the output of `sunny audit verify`.",
  AUDIT_LOST_TAIL:
    "Bring back the newest copy of the state directory, and compare with `sunny audit verify --against`.",
  AUDIT_NOT_FOUND: "`sunny status` lists what the log has actions of.",
  AUDIT_PROOF_INVALID: "Export the evidence again; if it is wrong again, run `sunny audit verify`.",
  AUDIT_ROLLED_BACK: "Bring back the newer state directory; what was done since the older one is recorded only there.",
  AUDIT_UNWRITABLE: "Make room or give the right to write where the state is kept, then `sunny resume`.",
  NOTE_KEY_INVALID: "Give the key as `sunny release keygen` or the log wrote it, on one line.",
  NOTE_MALFORMED: "Give the signed text as it was written, with its empty line and its signature lines.",
  NOTE_UNVERIFIED: "Give the key of whoever signed it, or get the text again from them.",

  NOTIFY_SECRET_MISSING: "Set the environment variable that the channel names.",
  NOTIFY_UNREACHABLE: "Check the address of the channel; what was not delivered is in `sunny logs`.",

  FACTS_CHANGED: "Make a new plan and have that approved.",
  HOLD_ENDED: "Nothing: it went back because a person said so. `sunny explain` shows who, and why.",
  HOLD_UNANSWERED: "Deploy again when somebody is there to answer; `sunny explain` shows what was asked.",
  NO_WAY_BACK: "Take it back by hand, then answer with `sunny resolve`.",
  OPERATION_UNKNOWN: "Carry the plan out with the Sunny that made it, or make a new plan.",

  HOSTS_DISAGREE:
    "Bring the hosts to one release with `sunny rollback --version`, or repair the one that cannot be read.",

  PLAN_CHANGED: "Make a new plan and have that approved.",
  PLAN_INVALID: "Make the plan again with `sunny plan --out FILE`.",
  RUNBOOK_INVALID: "`sunny lint` shows each error with its line and its remedy.",

  APPROVAL_KEY_UNUSABLE: "Give a private PGP key that can sign, and its passphrase when it is locked.",
  APPROVAL_REFUSED:
    "Sign the statement that `sunny approve --print` shows, as a person who holds the role and did not make the plan.",
  ATTESTATION_REFUSED: "Let a person attest it whom the gate allows; `sunny attest` lists the gates and their roles.",
  PERSON_KEY_INVALID: "Give the person's public PGP key below `people`, in a file of its own.",
  WINDOW_ZONE_UNKNOWN: "Write UTC, an offset such as +02:00, or a name such as Europe/Berlin.",

  ALREADY_ANSWERED: "Nothing: `sunny status` shows what the first answer was.",
  DISK_FULL: "Free some space on this file system, then run `sunny resume`.",
  ENVIRONMENT_OCCUPIED:
    "`sunny watch` shows what occupies it. Wait for its end, or end it with `sunny abort`; then make a new plan, since the release may be another.",
  JOURNAL_BUSY: "Look with `fuser` or `lsof` for the process that keeps the journal open and is stopped.",
  JOURNAL_CORRUPT: "Keep the file. Restore it from a copy, or take over the running environment with `sunny adopt`.",
  JOURNAL_MISSING: "Name the state directory of the deployment, or start one with `sunny deploy`.",
  JOURNAL_NEWER: "Use the newer Sunny for this state directory.",
  JOURNAL_UNWRITABLE: "Give this user the right to write the journal and its directory.",
  NOTHING_TO_RESUME: "`sunny status` shows what has run; `sunny deploy` starts something new.",
  NOT_HELD: "`sunny status` shows what it waits for.",
  OPERATION_PENDING: "Report it: this is a defect of an operation.",
  PAYLOAD_INVALID: "Report it: this is a defect of an operation.",
  PAYLOAD_TOO_LARGE: "Keep large data in a file, and hand over its path and digest.",
  REPLAY_MISMATCH: "Resume it with the Sunny that started it; `sunny rollback` carries out its recorded rollback.",
  RESOLUTION_INVALID: "`sunny status` shows the answers that are possible.",
  RUN_BUSY: "Watch it with `sunny watch`, or wait until the other process has ended.",
  RUN_ENDED: "`sunny status` shows how it ended.",
  RUN_EXISTS: "Start it again: another id is drawn.",
  RUN_UNKNOWN: "`sunny status` lists what has run.",
  SCOPE_ENDED: "Start the command by itself, without SUNNY_SCOPE_FD.",
  SCOPE_EXCEEDED: "Declare below `commands` in the configuration what the step changes, and make a new plan.",
  STEP_DEADLINE: "`sunny logs` shows how far it came; `timeout=` in an annotation gives a step more time.",
  STEP_FAILED: "`sunny logs` shows what the step printed.",
  WORKFLOW_DEFECT: "Report it with the output of `sunny logs`; `sunny rollback` takes the environment back.",
  WORKFLOW_VERSION:
    "Resume it with the Sunny that started it, or carry out its recorded rollback with `sunny rollback`.",

  CONFIG_INVALID: "docs/reference/config.md lists every key with its default.",
  CONFIG_NOT_FOUND: "Create sunny.config.ts beside the runbook, or name one with `--config FILE` or `SUNNY_CONFIG`.",

  CURRENT_NOT_A_LINK: "Move that directory into `releases/` of the host, and make `current` a link to it.",
  HOST_BUSY: "Try again; when it stays so, look on the host for what holds the lock.",
  HOST_DIGEST_MISMATCH: "Pack and sign the release again, or restore its archive, and make a new plan.",
  HOST_DISK_FULL:
    "Free space on the host, below its root directory; `df` and `df -i` there say whether bytes or inodes are missing.",
  HOST_FENCED: "When nobody deploys from the other state directory any more, `sunny adopt` takes the hosts over.",
  HOST_NOT_READABLE: "Give the user that Sunny connects as the right to read the host's root directory.",
  HOST_NOT_WRITABLE:
    "Create the host's root directory, and give the user that Sunny connects as the right to write there.",
  HOST_RELEASE_MISSING: "Deploy the release again, so that the host gets all of it.",
  HOST_SCRIPT_FAILED: "`sunny logs` shows what the host said; put that right there, then try again.",
  HOST_SCRIPT_LOST: "`sunny resume` reads from the host what was done, and goes on.",
  HOST_TRANSFER_CUT: "Try again: the transfer goes on where it ended.",
  HOST_UNREACHABLE: "Check that the host runs and that `ssh` reaches it from here; `sunny doctor` looks again.",
  HOST_USAGE_UNKNOWN: "Let the host tell its control groups or /proc, or take the limit on usage out of the runbook.",
  SERVICE_START_FAILED: "Read the end of the service's log in the message; correct the release or its settings.",
  SERVICE_STOP_FAILED: "Look on the host for what keeps the service from ending.",

  LOAD_BALANCER_FENCED: "When nobody deploys from the other state directory any more, `sunny adopt` takes it over.",
  LOAD_BALANCER_UNREACHABLE: "Check that the load balancer runs, and the sockets below `loadBalancer`.",
  PROXY_CERTIFICATE_INVALID: "Check certificate and key with `sunny run verify-ssl`.",
  PROXY_CONFIG_INVALID: "Correct what the message names in the proxy's configuration.",
  PROXY_PORT_TAKEN: "End what listens there, or give the proxy another port.",
  PROXY_START_FAILED: "Read the end of its log in the message, and put that right.",
  SERVER_UNKNOWN: "Name the server in the load balancer as the host is named in the configuration.",

  INVENTORY_INVALID: "Let the file or the command list the hosts as docs/reference/config.md says.",
  SSH_CONFIG_INVALID: "Try `ssh` by hand with the same configuration; it says what it cannot use.",
  SSH_HOST_KEY_CHANGED: "Find out why the key changed; only then replace it in the known-hosts file.",
  SSH_HOST_KEY_UNKNOWN: "Compare the key with the host's own, and add it to the known-hosts file.",
  SSH_REFUSED: "Check user and key with `ssh` by hand; docs/reference/ssh.md says what is needed.",

  HAPROXY_AGENT_CHECK: "`disable agent BACKEND/SERVER` at the socket holds until HAProxy is reloaded.",
  HAPROXY_COMMAND_FAILED: "Check that the socket has `level admin`, and the backend's configuration.",
  HAPROXY_SOCKET_TOOL_MISSING: "Install `socat`, `perl` or `python3` on that host.",

  ACTIVATION_REVERTED: "Raise `rollout.confirmWithinMs`, or find out why the host could not be told in time.",
  BAKE_DEGRADED: "`sunny explain` shows which rule decided and by what; correct the release.",
  BAKE_NOT_PROMOTED: "Send the canary more traffic or give the bake more time; `sunny explain` shows what was missing.",
  CANARY_REVERTED: "Deploy again with somebody or something watching, or raise `rollout.unwatchedMs`.",
  CAPACITY_TOO_LOW: "Bring servers back into traffic first, or lower `rollout.minServing` or `rollout.maxUnavailable`.",
  DRAIN_TIMEOUT: "Raise `rollout.drainTimeoutMs`, or find out which requests take so long.",
  HEALTH_CHECK_FAILED: "Look at the service's log on that host; its health address must answer with the new version.",
  RELEASE_UNKNOWN: "Name a version that the store or a host has; `sunny status` lists what was deployed.",
  ROLLBACK_INCOMPLETE: "Repair the hosts that are named, then `sunny rollback` again.",
  ROLLBACK_NOT_VERIFIED: "Put right what each finding names, then `sunny run verify-rollback`.",
  ROLLOUT_REFUSED: "Bring hosts and load balancer into the state that the message names as missing, then plan again.",
  SERVICE_UNKNOWN: "Name the service of the configuration.",

  RELEASE_ARCHIVE_ALTERED: "Restore the archive, or pack and sign the release again under a new version.",
  RELEASE_ARCHIVE_MALFORMED: "Pack the release with `sunny release pack`.",
  RELEASE_DESTINATION_EXISTS: "Name a directory that does not exist yet.",
  RELEASE_FILE_ALTERED: "Restore the archive, or pack and sign the release again under a new version.",
  RELEASE_FILE_MISSING: "Get the archive again: it came only in part.",
  RELEASE_FILE_UNLISTED: "Pack and sign the release again under a new version.",
  RELEASE_LINK_ESCAPES: "Let the link lead to a file of the release, or put a copy in its place, and pack again.",
  RELEASE_MANIFEST_INVALID: "Pack and sign the release again with `sunny release pack`.",
  RELEASE_NOT_FOUND: "Pack it into `releases.dir` with `sunny release pack`, or name a version that is there.",
  RELEASE_PATH_ABSOLUTE: "Pack the release with `sunny release pack`, which writes relative paths only.",
  RELEASE_PATH_DUPLICATE: "Rename one of the two files, and pack again.",
  RELEASE_PATH_ESCAPES: "Do not deploy it: find out who packed it.",
  RELEASE_PATH_INVALID: "Rename the file, and pack again.",
  RELEASE_SOURCE_INVALID: "Correct what the message names in the directory, and pack again.",
  RELEASE_SPECIAL_FILE: "Leave the file out of the directory, and pack again.",
  RELEASE_TOO_LARGE: "Leave out what the service does not need, or raise the limit.",
  RELEASE_UNSIGNED: "Sign it with a key that is among `releases.trustedKeys`, or add the key of whoever signed it.",
  RELEASE_VERSION_INVALID: "Use a version such as 2.1.0, and a name of lower-case letters, digits and hyphens.",
  RELEASE_VERSION_TAKEN: "Pack it under a version that is not taken yet.",

  REHEARSAL_STUCK: "Report it with the plan: its workflow has a way that does not end.",
  REHEARSED_FAILURE: "Nothing: the rehearsal wanted the step to fail.",

  REQUEST_UNSEEN: "`sunny status` shows whether it was taken up; `sunny resume` goes on where nobody carries it out.",
};

/** What to do about an error: its own hint, else what holds for its code. */
export function remedyFor(code: string, hint?: unknown): string | undefined {
  if (typeof hint === "string" && hint !== "") return hint;
  return Object.hasOwn(REMEDIES, code) ? REMEDIES[code as ErrorCode] : undefined;
}

/** The error with what to do about it; anything but an error of Sunny's own as it is. */
export function withRemedy(error: unknown): unknown {
  if (!(error instanceof SunnyError) || (error.hint ?? "") !== "") return error;
  const { code, message, place, details } = error;
  const options = { hint: REMEDIES[code], details, cause: error };
  return new SunnyError(code, message, place === undefined ? options : { ...options, place });
}
