import { z } from "zod";

/*
 * The shape of `sunny.config.ts` (or `.js`, `.json`). Durations are milliseconds and end in `Ms`; paths are relative to
 * the file; secrets are references (`{ env }` or `{ file }`), never values, since the whole is part of the plan's digest.
 */

// Whatever is validated is validated once or twice: compiling a validator for it first takes longer than it saves. A schema
// remembers what was set when it was made.
z.config({ jitless: true });

const ms = z.int().min(0);
const port = z.int().min(1).max(65535);
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/i, "letters, digits, dot, dash and underscore only");
const argv = z.array(z.string()).min(1);

const connection = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("local") }),
  z.strictObject({
    kind: z.literal("ssh"),
    address: z.string(),
    port: port.default(22),
    user: z.string().optional(),
    jump: z.string().optional(),
    /** Pinned host keys; without one the user's known_hosts files decide. Never accepts an unknown key. */
    knownHostsFile: z.string().optional(),
    identityFile: z.string().optional(),
  }),
]);

/** A host, in the configuration and in an inventory. */
export const hostSchema = z.strictObject({
  name,
  connection: connection.default({ kind: "local" }),
  /** Where `releases/`, `shared/` and `current` are, on the host. */
  root: z.string(),
  /** Where the service answers, as seen from where Sunny runs. */
  address: z.string().default("127.0.0.1"),
  port,
});

/** Service control on a host: systemd, a command of the user's, or Sunny's own small supervisor for local hosts. */
const serviceControl = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("systemd"), unit: z.string(), scope: z.enum(["system", "user"]).default("system") }),
  z.strictObject({ kind: z.literal("command"), start: argv, stop: argv, status: argv }),
  z.strictObject({
    kind: z.literal("supervised"),
    /** From SIGTERM to SIGKILL of the whole process group. */
    stopTimeoutMs: ms.default(15_000),
  }),
]);

const loadBalancer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("embedded"), socket: z.string() }),
  z.strictObject({
    kind: z.literal("haproxy"),
    backend: z.string(),
    /** Admin sockets, one for each load balancer: `/path`, `tcp:host:port` or `ssh:host:/path`. */
    sockets: z.array(z.string()).min(1),
    /** The hosts that `ssh:` sockets name and that are not among `hosts`; `root` is where their lock and fence are kept. */
    hosts: z.array(z.strictObject({ name, connection, root: z.string() })).default([]),
  }),
]);

const rollout = z.strictObject({
  /** How many hosts get the release first. */
  canaryHosts: z.int().min(1).default(1),
  /** Part of the traffic that the canary gets, percent; null leaves the weights alone. */
  canaryPercent: z.number().min(1).max(100).nullable().default(10),
  /** How long the canary is watched before the other hosts follow. */
  canaryBakeMs: ms.default(600_000),
  /** How many hosts may be out of traffic at once in the batches after the canary. */
  maxUnavailable: z.int().min(1).default(1),
  /** Hosts that stay in traffic at all times; without it all but `maxUnavailable`, at least one. 0 permits an outage. */
  minServing: z.int().min(0).optional(),
  /** How long the whole fleet is watched before the deployment counts as done. */
  finalBakeMs: ms.default(600_000),
  /** Canary requests a rule must have seen before a bake can pass. */
  minRequests: z.int().min(0).default(100),
  /** How long requests that a draining host still answers may take. */
  drainTimeoutMs: ms.default(60_000),
  /** WebSockets that are left on a draining host are closed after this time. */
  websocketGraceMs: ms.default(30_000),
  /** How long an activated release may take to answer as healthy, with its own version. */
  healthTimeoutMs: ms.default(60_000),
  /** An activation that is not confirmed within this time reverts itself on the host. */
  confirmWithinMs: ms.default(300_000),
  /** A canary that nobody watches goes back by itself after this time. */
  unwatchedMs: ms.default(600_000),
  /** How long a person may take over an undecided bake before it is rolled back. */
  decisionMs: ms.default(1_800_000),
  /** Weights of a host on its way out of traffic in a gradual rollback, percent, and back in, in reverse. */
  shiftPercents: z.array(z.int().min(1).max(99)).default([50, 10]),
  /** How long each of these steps is watched. */
  shiftPauseMs: ms.default(30_000),
  /**
   * How a host verifies a release of which it got only what differs. `recorded` reads what is new, and takes a file that it
   * shares with an older release for the one that was verified there when nothing of that release changed since; `full` reads
   * every file again.
   */
  releaseCheck: z.enum(["recorded", "full"]).default("recorded"),
  /** How many releases stay on a host; one that a rollback may need is never removed. */
  keepReleases: z.int().min(2).default(5),
});

const cloudWatchMetric = z.strictObject({
  /** Such as `AWS/ApplicationELB`. */
  namespace: z.string().min(1),
  /** The metric's name. */
  name: z.string().min(1),
  /** Dimensions besides the host's. */
  dimensions: z.record(z.string(), z.string()).default({}),
});

const metricSource = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("scrape"),
    path: z.string().default("/metrics"),
    /** How the hosts serve the page. */
    scheme: z.enum(["http", "https"]).default("http"),
    caFile: z.string().optional(),
    /** Name in the hosts' certificates where they are valid for a name and `address` is none. */
    serverName: z.string().optional(),
  }),
  z.strictObject({
    kind: z.literal("prometheus"),
    /** The server's base URL. */
    url: z.url(),
    /** The label that tells hosts apart, and its value for each host where it is not `address:port`. */
    hostLabel: z.string().default("instance"),
    instances: z.record(z.string(), z.string()).default({}),
    /** Further label matchers of every query: `job="payments"`. */
    selector: z.string().optional(),
    /** How often the server scrapes; intervals are no shorter. */
    scrapeIntervalMs: ms.default(15_000),
    /** Environment variable with a bearer token. */
    token: z.strictObject({ env: z.string() }).optional(),
    caFile: z.string().optional(),
  }),
  /** Credentials are those that the AWS SDK finds: environment, profile, instance role. */
  z.strictObject({
    kind: z.literal("cloudwatch"),
    /** AWS region. */
    region: z.string().min(1),
    /** Address of the service where it is not the region's own, such as that of a VPC endpoint. */
    endpoint: z.url().optional(),
    /** Which metrics answer for which figure; a rule whose figure has none is an error of the plan. */
    metrics: z.strictObject({
      /** Counts of requests. */
      requests: cloudWatchMetric.optional(),
      /** Counts of failed requests. */
      errors: cloudWatchMetric.optional(),
      /** Response times; `perSecond` is how many of their units make a second. */
      latency: cloudWatchMetric.extend({ perSecond: z.number().gt(0).default(1) }).optional(),
      /** Percent of the processor time that the service may use. */
      cpuPercent: cloudWatchMetric.optional(),
      /** Percent of the memory that the service may use. */
      memoryPercent: cloudWatchMetric.optional(),
      /** Database connections in use. */
      dbConnections: cloudWatchMetric.optional(),
      /** Length of a queue. */
      queueLength: cloudWatchMetric.optional(),
    }),
    /** The dimension that tells hosts apart. */
    hostDimension: z.string().default("InstanceId"),
    /** The dimension's value by host; where it is missing, the host's name. */
    dimensionValues: z.record(z.string(), z.string()).default({}),
    /** Length of a period in seconds; intervals are no shorter. 1, 5, 10 and 30 need high-resolution metrics. */
    periodSeconds: z.int().min(1).default(60),
  }),
]);

const monitoring = z.strictObject({
  /** Where figures come from: the hosts themselves, a Prometheus server, or CloudWatch. */
  source: metricSource.prefault({ kind: "scrape" }),
  /** Fixed length of an interval; without it the length is learned from the baseline. */
  intervalMs: ms.optional(),
  /** Names of metrics or queries where the built-in bindings do not fit, by metric kind. */
  bindings: z.record(z.string(), z.record(z.string(), z.string())).default({}),
  /** Error probability over all looks together. */
  alpha: z.number().gt(0).lt(0.5).default(0.01),
  /** Let a bake pass only when it is proved that every limit is kept, not merely when nothing speaks against it. */
  proof: z.boolean().default(false),
  /** The canary's comparison with the baseline, besides the runbook's limits. */
  compare: z
    .strictObject({
      /** Compare errors. */
      errors: z.boolean().default(true),
      /** How many times the baseline's errors a request to the canary may have: 1 tolerates no more of them. */
      errorRatio: z.number().min(1).default(1),
      /** Compare response times. */
      latency: z.boolean().default(true),
    })
    .prefault({}),
});

const database = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("sqlite"),
    /** The database file of the service. */
    file: z.string(),
    /** Where backups are kept. */
    backupDir: z.string(),
    /** Armoured PGP public keys that backups are encrypted to. */
    backupRecipients: z.array(z.string()).default([]),
    /** Key that can open a backup, for the proof by restoring; reference to the armoured private key. */
    backupKeyFile: z.string().optional(),
    /** The newest backup may be this old before a deployment. */
    maxBackupAgeMs: ms.default(86_400_000),
    /** How many backups stay. */
    keepBackups: z.int().min(1).default(14),
  }),
]);

const issuer = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("local-ca"),
    /** The authority's certificate. */
    caCertFile: z.string(),
    /** The authority's private key, 0600. */
    caKeyFile: z.string(),
    /** How long a new certificate is valid. */
    days: z.int().default(90),
  }),
]);

const certificate = z.strictObject({
  name,
  /** Host names that it must be valid for. */
  hosts: z.array(z.string()).min(1),
  /** The certificate with its chain, PEM. */
  certFile: z.string(),
  /** Its private key, 0600. */
  keyFile: z.string(),
  caFile: z.string().optional(),
  /** Renewed, and reported, when less than this is left. */
  renewBeforeDays: z.int().min(1).default(14),
  /** Who renews it; without one it is only checked. */
  issuer: issuer.optional(),
});

const gateBinding = z.discriminatedUnion("kind", [
  /** The operation must succeed. */
  z.strictObject({
    kind: z.literal("operation"),
    name: z.string(),
    args: z.record(z.string(), z.string()).default({}),
  }),
  /** The command must exit with 0; its output is kept as evidence. */
  z.strictObject({ kind: z.literal("command"), argv, timeoutMs: ms.default(60_000) }),
  /** A person with one of these roles says so, by name; shown as attested, not as checked. */
  z.strictObject({ kind: z.literal("attest"), roles: z.array(z.string()).min(1), validMs: ms.default(86_400_000) }),
]);

const person = z.strictObject({
  name: z.string(),
  /** What this person is, as runbook and gates name it: `operator`, `CTO`. */
  roles: z.array(z.string()).min(1),
  email: z.email().optional(),
  /** Armoured PGP public key; approvals of this person are verified with it. */
  publicKeyFile: z.string().optional(),
});

const approval = z.strictObject({
  /** Who has to approve. */
  role: z.string(),
  /** How many people in that role. */
  count: z.int().min(1).default(1),
  /** How long the deployment waits for it; then it counts as denied. */
  expiresMs: ms.default(3_600_000),
});

const channel = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("file"), path: z.string() }),
  z.strictObject({ kind: z.literal("webhook"), url: z.url(), secret: z.strictObject({ env: z.string() }).optional() }),
]);

const commandOverride = z.strictObject({
  /** How long it may run. */
  timeoutMs: ms.optional(),
  /** Whether it may simply run again after a crash; without it a person is asked. */
  disposition: z.enum(["idempotent", "manual"]).optional(),
  /** How often it is tried while it fails. */
  retry: z.strictObject({ maxAttempts: z.int().min(1).max(20) }).optional(),
  /** What the command changes; an empty list says that it only reads. Without it Sunny assumes the worst. */
  changes: z
    .array(z.enum(["hosts", "traffic", "database", "infrastructure", "certificates", "credentials", "records"]))
    .optional(),
});

/** The whole configuration; unknown keys are refused. */
export const systemSchema = z.strictObject({
  /** The service that is deployed. */
  service: name,
  /** At most one deployment occupies an environment at a time. */
  environment: name,
  /** The Markdown file that is carried out. */
  runbook: z.string().default("RUNBOOK.md"),
  /** Journal, audit log, plans; 0700. */
  stateDir: z.string().default(".sunny"),
  /** Second place for the audit log's checkpoints; best on another disk. */
  checkpointCopyDir: z.string().default(".sunny-checkpoints"),
  /** Where scripts that the runbook names are looked up after its own folder. */
  scripts: z.string().optional(),
  /** Where releases come from. */
  releases: z.strictObject({
    dir: z.string(),
    /** Verifier keys (`name+hash+base64`); a release signed by none of them is refused. */
    trustedKeys: z.array(z.string()).min(1),
  }),
  /** At least one, those of the inventory included. */
  hosts: z.array(hostSchema).default([]),
  /** More hosts, listed elsewhere in the form of `hosts`, as JSON: a file, or what a command prints. */
  inventory: z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("file"), path: z.string() }),
      z.strictObject({ kind: z.literal("command"), argv, timeoutMs: ms.default(30_000) }),
    ])
    .optional(),
  /** The OpenSSH client, beside what its own configuration says. */
  ssh: z
    .strictObject({
      /** How long connections stay open for the next command, rounded up to seconds; 0 ends them with each command. */
      controlPersistMs: ms.max(3_600_000).default(60_000),
    })
    .prefault({}),
  /** How the service is started and stopped on a host. */
  serviceControl: serviceControl.default({ kind: "supervised", stopTimeoutMs: 15_000 }),
  /** How a host says that it is well. */
  health: z
    .strictObject({
      path: z.string().default("/health"),
      /** Member of the JSON answer that holds the version; the health gate compares it. */
      versionField: z.string().default("version"),
      timeoutMs: ms.default(5_000),
    })
    .prefault({}),
  /** What spreads the traffic over the hosts. */
  loadBalancer,
  /** How a release gets to the hosts. */
  rollout: rollout.prefault({}),
  /** What is watched while that happens. */
  monitoring: monitoring.prefault({}),
  /** The database that is backed up and migrated. */
  database,
  /** How Terraform is used for what a release changes of it. */
  infrastructure: z
    .strictObject({
      /** Folder of the Terraform configuration inside a release. */
      dir: z.string().default("infrastructure"),
      /** Tried in this order. */
      binaries: z.array(z.string()).default(["terraform", "tofu"]),
      /** Where state and working files are kept for backends that are local. */
      workDir: z.string().default(".sunny/infrastructure"),
    })
    .prefault({}),
  /** How public addresses are reached from here, as curl's --resolve does: `https://host[:port]` to `ip:port`. */
  endpoints: z.record(z.string(), z.strictObject({ connect: z.string(), caFile: z.string().optional() })).default({}),
  /** Certificates that are checked and renewed. */
  certificates: z.array(certificate).default([]),
  /** By the gate's text or its id in the plan. A gate without binding must be attested. */
  gates: z.record(z.string(), gateBinding).default({}),
  /** Who approves, attests and acts. */
  people: z.array(person).default([]),
  /** Approvals that a plan which changes production needs; the approver is never the author of the plan. */
  approvals: z.array(approval).default([]),
  /** Who is told, and how. */
  notify: z
    .strictObject({
      channels: z.array(channel).default([]),
      /** How long each level of the runbook's escalation path has to answer, before the next one is asked. */
      answerWithinMs: z.int().min(1).default(300_000),
    })
    .prefault({}),
  /** By step id or by command text: what the runbook cannot say about a subprocess step. */
  commands: z.record(z.string(), commandOverride).default({}),
  /** For the security test: what is private on a host, and where the service may listen besides its own port. */
  security: z
    .strictObject({
      /** Relative to the host's root; nobody but their owner may read them. */
      privateFiles: z.array(z.string()).default([]),
      /** TCP ports that the service may listen on besides the host's `port`. */
      publicPorts: z.array(port).default([]),
    })
    .prefault({}),
});

/** `sunny.config.ts` as the user writes it. */
export type SystemConfig = z.input<typeof systemSchema>;
/** The validated configuration, defaults filled in, all paths absolute. */
export type System = z.output<typeof systemSchema>;
export type HostSpec = System["hosts"][number];
export type Person = System["people"][number];
export type GateBinding = System["gates"][string];
