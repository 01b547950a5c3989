/**
 * Every error code of Sunny with its meaning: the catalogue behind `docs/reference/errors.md`. Codes are stable once
 * released. Each folder keeps its codes under its own heading, in alphabetical order.
 */
export const ERROR_CODES = {
  // general
  INTERNAL: "A defect in Sunny itself: please report it with the output of the command.",
  USAGE: "The command line is wrong: an unknown verb, a missing argument or an option that does not fit.",
  FILE_UNREADABLE: "A file or directory that is needed is missing or cannot be read.",
  INTERRUPTED: "The command was interrupted by a signal; whatever ran is paused durably.",

  // analysis
  ANALYSIS_SETTINGS: "A rule or a setting of the analysis is out of its bounds.",

  // operations/monitor
  METRIC_BUCKET_MISSING: "A latency histogram has no bucket edge at the limit, so the limit cannot be checked.",
  METRIC_NOT_FOUND: "The metric that a rule needs is not among what the source reports.",
  METRIC_SOURCE_DOWN: "A metric source does not answer, or answers with something that is no metric.",
  NOTHING_WATCHED: "There are no thresholds to watch, or nothing was watched yet.",
  THRESHOLD_UNSUPPORTED: "A threshold of the runbook cannot be made a rule as it stands.",

  // operations: database, infrastructure, checks, tls, security, http, subprocess
  BACKUP_DAMAGED: "The manifest of a backup cannot be read, so nobody knows what the backup holds.",
  BACKUP_DISK_FULL: "There is no room for a backup where backups are kept.",
  BACKUP_FAILED: "A backup could not be made.",
  BACKUP_KEY_WRONG: "No key at hand opens a backup.",
  CERTIFICATE_ISSUE_FAILED: "The authority did not issue a certificate.",
  CERTIFICATE_UNREADABLE: "The files of a certificate are missing, or hold no certificate or key.",
  CHECK_FAILED: "A check found something that is not as it should be; the message names each thing.",
  DATABASE_FENCED: "A newer run has taken the database over, so an older one may change nothing more there.",
  DATABASE_LOCKED: "Another process kept the database locked for longer than the wait.",
  DATABASE_UNREACHABLE: "The database is missing, cannot be opened, or is none.",
  ENVIRONMENT_MISMATCH: "The environment that a command names is not the one that the configuration describes.",
  HOST_UNKNOWN: "A command names a host that the configuration does not have.",
  HTTP_UNREACHABLE: "An HTTP request got no answer.",
  INCIDENT_ENDED: "A person ended an emergency procedure before its last instruction.",
  KEY_INVALID: "A key cannot be used: it is not one, it has expired, or it is locked.",
  MIGRATIONS_INVALID: "The migrations of a release are misnamed, empty, or contradict each other.",
  MIGRATION_CHANGED: "A migration was edited after it was planned or applied.",
  MIGRATION_FAILED: "A migration failed and was undone whole.",
  MIGRATION_IRREVERSIBLE: "A migration has no way back, so the schema cannot return by itself.",
  MIGRATION_MISSING: "The database has a migration that the release does not have.",
  MIGRATION_OUT_OF_ORDER: "A pending migration comes before one that is applied already.",
  MIGRATION_UNKNOWN: "A command names a migration that the release does not have.",
  NO_RELEASE: "No release is being deployed and none is active.",
  PROGRAM_NOT_STARTED: "A program is missing or cannot be executed; nothing was run.",
  SCHEMA_BEHIND: "The database has fewer migrations than the version that it is to return to.",
  SCHEMA_IN_USE: "The release that hosts serve works with what is to be taken out of the schema.",
  SCHEMA_UNKNOWN: "The schema of the database is that of no migration, so it is not known what is to be applied.",
  SCHEMA_UNRECORDED: "No schema is recorded with the version that is asked for.",
  SERVICE_ADMIN_UNREACHABLE: "The administrative interface of the service on a host does not answer.",
  SCRIPT_CHANGED: "A script is not the one that was planned and approved; it was not started.",
  SUBPROCESS_FAILED: "A command of the runbook ended with an error status.",
  TERRAFORM_FAILED: "Terraform ended with an error.",
  TERRAFORM_MISSING: "The infrastructure changed and none of the configured programs is on this machine.",
  TERRAFORM_PLAN_STALE: "The saved plan is not the one that was looked at, or the world changed since.",
  TERRAFORM_REFUSED: "The saved plan would destroy or replace something that nobody approved.",
  TLS_UNREACHABLE: "A TLS handshake with a server did not come about.",

  // audit
  AUDIT_AHEAD:
    "An existing checkpoint is ahead of the audit log that is being published: another or older log is in use.",
  AUDIT_BEYOND_REPAIR:
    "What is wrong with the audit log is not in its published files alone, so it cannot be written again from the database.",
  AUDIT_CHECKPOINT_INVALID: "A checkpoint of the audit log does not have the form of one, or belongs to another log.",
  AUDIT_COPY_MISSING:
    "The second copy of the checkpoint is gone, so an audit log put back to an older state could not be noticed.",
  AUDIT_CORRUPT: "Rows of the audit log are missing or altered in the database.",
  AUDIT_EVIDENCE_EXISTS: "The directory for the evidence of a deployment exists already, or cannot be made.",
  AUDIT_FORKED: "Audit log and checkpoint contradict each other: one of them was altered.",
  AUDIT_KEY_MISSING: "The key that signs the audit log is gone, although the log has been signed with it.",
  AUDIT_LEAF_INVALID: "An action cannot be recorded as it is, or bytes in the audit log are not a recorded action.",
  AUDIT_LOST_TAIL: "The signed checkpoint covers more actions than the audit log holds: the end of the log is lost.",
  AUDIT_NOT_FOUND: "The audit log holds no action of that deployment.",
  AUDIT_PROOF_INVALID: "A proof does not show that the action is in the log of the checkpoint.",
  AUDIT_ROLLED_BACK: "The audit log was put back to an older state: its second copy of the checkpoint knows more.",
  AUDIT_UNWRITABLE: "The audit log cannot be written, so nothing new is done.",
  NOTE_KEY_INVALID: "A signing or verifier key does not have the form of one, or was altered.",
  NOTE_MALFORMED: "A signed note does not have the form of one.",
  NOTE_UNVERIFIED: "A signed note is signed by no known key, or its text was altered.",

  // notify
  NOTIFY_SECRET_MISSING: "The environment variable with the key of a webhook is not set.",
  NOTIFY_UNREACHABLE: "A channel cannot be reached or asks to be tried again; the notice is recorded as not delivered.",

  // deployment
  FACTS_CHANGED: "What a step would act on has changed since the plan was frozen, so it is not what was approved.",
  HOLD_ENDED: "A person decided to go back while the deployment was held.",
  HOLD_UNANSWERED: "Nobody decided in time while the deployment was held, so it went back.",
  NO_WAY_BACK: "A step of the rollback part cannot be taken back by Sunny.",
  OPERATION_UNKNOWN: "A frozen plan names an operation that this version of Sunny does not have.",

  // wiring
  HOSTS_DISAGREE: "Hosts run different releases, or one cannot be read, so it is not clear which release is active.",

  // plan
  PLAN_CHANGED: "What the plan was made from has changed since, so what would run is not what was approved.",
  PLAN_INVALID: "A plan file is cut off, altered, or of another format than this version of Sunny reads.",
  RUNBOOK_INVALID: "The runbook has errors, so that nothing can be planned or run; `sunny lint` shows them.",

  // gate
  APPROVAL_KEY_UNUSABLE: "A private key cannot sign: it is not one, it is locked, or the passphrase is wrong.",
  APPROVAL_REFUSED: "A signed approval or denial does not count; the message says why.",
  ATTESTATION_REFUSED: "A person may not attest this gate, or a signed attestation does not count.",
  PERSON_KEY_INVALID: "The public key of a person in the configuration cannot be used.",
  WINDOW_ZONE_UNKNOWN: "A maintenance window names a zone that is neither an IANA name nor an offset.",

  // engine
  ALREADY_ANSWERED: "Somebody else has answered the question already; the first answer counts.",
  DISK_FULL: "No space is left where the journal is; the run stopped as in a crash and can be resumed.",
  ENVIRONMENT_OCCUPIED: "Another run occupies the environment, from its first change until it ended.",
  JOURNAL_BUSY: "Another process keeps the journal locked.",
  JOURNAL_CORRUPT: "The journal is damaged, truncated, or not a journal; it is left as it is.",
  JOURNAL_MISSING: "There is no journal where one is to be read.",
  JOURNAL_NEWER: "A newer version of Sunny wrote the journal.",
  JOURNAL_UNWRITABLE: "The journal or its directory cannot be written.",
  NOTHING_TO_RESUME: "No deployment of the environment is left to go on with.",
  NOT_HELD: "The run waits for no such answer.",
  OPERATION_PENDING: "Workflow code began a second durable operation while one was pending.",
  PAYLOAD_INVALID: "An input, output or value of a workflow is not JSON.",
  PAYLOAD_TOO_LARGE: "An input, output or value of a workflow is larger than the engine keeps.",
  REPLAY_MISMATCH: "The workflow's code does not do what the journal says it did: it was changed under a running run.",
  RESOLUTION_INVALID: "The step cannot be resolved in this way.",
  RUN_BUSY: "Another process executes this run.",
  RUN_ENDED: "The run has ended; nothing more can be asked of it.",
  RUN_EXISTS: "There is another run with this id.",
  RUN_UNKNOWN: "There is no run with this id in the journal.",
  SCOPE_ENDED: "The step that a command was started by is over, so the command cannot act as part of it.",
  SCOPE_EXCEEDED: "A command that a step started would change something that the step was not declared to change.",
  STEP_DEADLINE: "A step did not end within its deadline.",
  STEP_FAILED: "A step failed with an error that carries no code of its own.",
  WORKFLOW_DEFECT: "Workflow code failed outside of a step: a defect in Sunny or in an operation.",
  WORKFLOW_VERSION: "This Sunny does not have the version of the workflow that the run was started with.",

  // system
  CONFIG_INVALID: "The configuration cannot be evaluated, or a key of it is unknown, missing or out of its bounds.",
  CONFIG_NOT_FOUND: "There is no sunny.config.ts, .js or .json where one is looked for.",

  // hosts
  CURRENT_NOT_A_LINK:
    "On a host, `current` is a directory or file instead of a link that Sunny switches; nothing was changed there.",
  HOST_BUSY:
    "Another script holds the host's lock and did not finish in time, or the host kept changing while it was read; nothing was changed.",
  HOST_DIGEST_MISMATCH:
    "A release arrived on a host with another digest than the plan's; it was removed again, nothing was switched.",
  HOST_DISK_FULL:
    "A host has no room for a release, of which what had been written was removed, or for Sunny's own records there.",
  HOST_FENCED: "A host has seen a newer fencing token or belongs to another authority, and refused to be changed.",
  HOST_NOT_READABLE: "What is on a host cannot be read by the user that Sunny connects as; it is not taken for empty.",
  HOST_NOT_WRITABLE: "A host's root directory is missing or cannot be written by the user that Sunny connects as.",
  HOST_RELEASE_MISSING: "A release that was to be activated is not completely installed on the host.",
  HOST_SCRIPT_FAILED:
    "A script on a host failed in a way that Sunny has no own code for; its output is in the details.",
  HOST_SCRIPT_LOST:
    "A script on a host did not report its end (cut, ended, or too slow), so its outcome must be read from the host.",
  HOST_TRANSFER_CUT: "A release arrived on a host only in part; the next attempt goes on where this one ended.",
  HOST_UNREACHABLE: "A host could not be reached; nothing was done there.",
  HOST_USAGE_UNKNOWN: "A host does not tell how much processor time and memory the service uses.",
  SERVICE_START_FAILED: "A service did not start on a host; the last lines of its log are in the details.",
  SERVICE_STOP_FAILED: "A service could not be stopped on a host.",

  // proxy
  LOAD_BALANCER_FENCED:
    "The load balancer has seen a newer fencing token or belongs to another authority, and refused to be changed.",
  LOAD_BALANCER_UNREACHABLE: "The load balancer's control socket does not answer; nothing was changed.",
  PROXY_CERTIFICATE_INVALID:
    "The embedded proxy could not load a certificate or its key; it goes on with the one before.",
  PROXY_CONFIG_INVALID: "The embedded proxy was started with a configuration that does not fit.",
  PROXY_PORT_TAKEN: "Another process listens on the address that the embedded proxy needs.",
  PROXY_START_FAILED: "The embedded proxy did not come up; the end of its log is in the message.",
  SERVER_UNKNOWN: "The load balancer has no server of that name.",

  // ssh
  INVENTORY_INVALID: "The file or command that lists the hosts cannot be read, or lists them in another form.",
  SSH_CONFIG_INVALID: "OpenSSH cannot use its configuration or a key file, so no connection was made.",
  SSH_HOST_KEY_CHANGED: "A host shows another key than the one that is known for it; no connection was made.",
  SSH_HOST_KEY_UNKNOWN: "The key of a host is in no known-hosts file; no connection was made.",
  SSH_REFUSED: "A host does not let the user in; nothing was done there.",

  // haproxy
  HAPROXY_AGENT_CHECK:
    "HAProxy asks an agent about a server, which would undo what Sunny orders of it; nothing was changed.",
  HAPROXY_COMMAND_FAILED: "HAProxy refused a command of its runtime API; its answer is in the message.",
  HAPROXY_SOCKET_TOOL_MISSING: "The host of a load balancer has no program that can write to HAProxy's socket.",

  // rollout
  ACTIVATION_REVERTED: "A host took its activation back by itself more often than the rollout tries.",
  BAKE_DEGRADED: "The watched rules found the new release worse than its limits allow.",
  BAKE_NOT_PROMOTED: "A bake that could not be decided was not promoted by a person in time, or was refused by one.",
  CANARY_REVERTED: "A canary went back to the release before by itself, because nobody watched it in time.",
  CAPACITY_TOO_LOW: "Taking a host out of traffic would leave fewer hosts than the minimum; it was left in traffic.",
  DRAIN_TIMEOUT: "Requests were still in flight on a drained host when the time was over.",
  HEALTH_CHECK_FAILED: "A host did not become healthy with the expected version in time; the reason is in the message.",
  RELEASE_UNKNOWN: "No host and no store has a complete release of that version, or more than one fits.",
  ROLLBACK_INCOMPLETE: "Not every host could be brought back; the hosts that were not are named.",
  ROLLBACK_NOT_VERIFIED: "After a rollback something is not as it has to be; each finding is named.",
  ROLLOUT_REFUSED:
    "The hosts or the load balancer are not in a state that a rollout can start from; nothing was changed.",
  SERVICE_UNKNOWN: "No service of that name is configured.",

  // release
  RELEASE_ARCHIVE_ALTERED: "A release's archive is not the one that its signed manifest names.",
  RELEASE_ARCHIVE_MALFORMED: "A release's archive is not what Sunny packs from the files of its manifest.",
  RELEASE_DESTINATION_EXISTS: "The directory into which a release is to be unpacked exists already.",
  RELEASE_FILE_ALTERED: "A file in a release's archive differs from its digest in the manifest.",
  RELEASE_FILE_MISSING: "A release's archive ends before all files of the manifest were there.",
  RELEASE_FILE_UNLISTED: "A release's archive holds a file that the manifest does not list.",
  RELEASE_LINK_ESCAPES: "A symbolic link in a release does not lead directly to a file of the same release.",
  RELEASE_MANIFEST_INVALID: "A release's manifest is signed but does not have the form of one, or contradicts itself.",
  RELEASE_NOT_FOUND: "There is no release of that version in the store.",
  RELEASE_PATH_ABSOLUTE: "A release holds an absolute path.",
  RELEASE_PATH_DUPLICATE: "A release holds two paths that some file system takes for the same.",
  RELEASE_PATH_ESCAPES: "A release holds a path that leaves its root.",
  RELEASE_PATH_INVALID: "A release holds a path with characters or a length that cannot be deployed.",
  RELEASE_SOURCE_INVALID: "A directory cannot be packed as a release: its `release.json` or its migrations are wrong.",
  RELEASE_SPECIAL_FILE: "A release holds a device, a socket, a pipe or a hard link.",
  RELEASE_TOO_LARGE: "A release is larger, or has more files, than the limit allows.",
  RELEASE_UNSIGNED: "A release is not signed by a trusted key, or its manifest was altered after signing.",
  RELEASE_VERSION_INVALID: "A name or version cannot be that of a release.",
  RELEASE_VERSION_TAKEN: "The store holds another release under the same version.",

  // rehearsal
  REHEARSAL_STUCK: "A rehearsal did not come to an end: the plan's workflow waits for something that cannot happen.",
  REHEARSED_FAILURE: "A step failed in a rehearsal because the rehearsal wanted it to; nothing real was touched.",

  // cli
  REQUEST_UNSEEN: "A running deployment did not take up a request in time; the request is recorded and still counts.",
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof ERROR_CODES;
