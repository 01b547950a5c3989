/** Where and as whom a host is reached: what OpenSSH is told beside the user's own configuration. */
export interface SshTarget {
  /** Name or address, as `ssh` takes it; an alias of `~/.ssh/config` as well. */
  readonly address: string;
  readonly port: number;
  readonly user?: string | undefined;
  /** Bastions on the way, nearest first, as in ProxyJump: `[user@]host[:port]`, with commas between. */
  readonly jump?: string | undefined;
  /** Pinned host keys, for the host and its bastions; without it the user's known_hosts files decide. */
  readonly knownHostsFile?: string | undefined;
  /** Private key, or the public part of one that an agent or a hardware key holds. */
  readonly identityFile?: string | undefined;
}

/** How connections are made; durations are milliseconds, which OpenSSH rounds up to seconds. */
export interface SshTimes {
  readonly connectTimeoutMs: number;
  /** How often a silent host is asked whether it is there; the third missing answer ends the connection. */
  readonly aliveIntervalMs: number;
}

/** How a connection relates to the others to its host. */
export type SshLane =
  /** Opens the connection that others share, and carries scripts itself. */
  | { readonly kind: "shared"; readonly socket: string }
  /** A connection of its own, which shows that the host still lets anybody in. */
  | { readonly kind: "fresh" };

const seconds = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1000)));

/**
 * Arguments of `ssh` for a new connection (ssh_config(5)). Everything that the user configured for the host holds, but
 * nothing is asked, no unknown key is taken, and nothing is forwarded or sent that scripts do not need.
 */
export function connectArgv(target: SshTarget, lane: SshLane, times: SshTimes, command: string): string[] {
  return [
    "-T",
    ...options({
      ...trust(target, times),
      ...(lane.kind === "shared"
        ? { ControlMaster: "yes", ControlPath: percentless(lane.socket), ControlPersist: "no" }
        : { ControlMaster: "no", ControlPath: "none" }),
      ...(target.jump === undefined ? {} : { ProxyCommand: proxyCommand(target, times) }),
    }),
    ...destination(target),
    command,
  ];
}

/**
 * Arguments for a script over a connection that is open. The user's configuration is not read again, and when the
 * connection turns out to be gone no other is made: that is for `connectArgv`, which counts them.
 */
export function shareArgv(socket: string, command: string): string[] {
  const closed = { ControlMaster: "no", ControlPath: percentless(socket), ProxyCommand: "false", LogLevel: "ERROR" };
  return ["-F", "none", "-T", ...options(closed), "--", "shared", command];
}

/** Arguments that end an open connection, with everything that still goes over it. */
export function exitArgv(socket: string): string[] {
  return ["-F", "none", "-O", "exit", ...options({ ControlPath: percentless(socket) }), "--", "shared"];
}

/** Arguments that say what key a host shows: the same connection once more, which prints it and runs nothing. */
export function keyArgv(target: SshTarget, times: SshTimes): string[] {
  const [first = "-T", ...rest] = connectArgv(target, { kind: "fresh" }, times, "exit");
  return [first, "-v", ...rest.map((word) => (word === "LogLevel=ERROR" ? "LogLevel=DEBUG1" : word))];
}

/** How many processes of `ssh` one connection needs: its own and one for each bastion. */
export function processesOf(target: SshTarget): number {
  return 1 + (target.jump?.split(",").length ?? 0);
}

function trust(target: SshTarget, times: SshTimes): Record<string, string> {
  return {
    BatchMode: "yes",
    StrictHostKeyChecking: "yes",
    ...(target.knownHostsFile === undefined
      ? {}
      : {
          UserKnownHostsFile: quoted(target.knownHostsFile),
          GlobalKnownHostsFile: "/dev/null",
          // A key from the DNS, or one that the host itself announces, is not one that was pinned.
          VerifyHostKeyDNS: "no",
          KnownHostsCommand: "none",
        }),
    UpdateHostKeys: "no",
    ConnectTimeout: seconds(times.connectTimeoutMs),
    ServerAliveInterval: seconds(times.aliveIntervalMs),
    ServerAliveCountMax: "3",
    LogLevel: "ERROR",
    ForwardAgent: "no",
    ForwardX11: "no",
    ClearAllForwardings: "yes",
    PermitLocalCommand: "no",
    RemoteCommand: "none",
    SendEnv: "-*",
    ...(target.identityFile === undefined ? {} : { IdentityFile: quoted(target.identityFile), IdentitiesOnly: "yes" }),
  };
}

function destination(target: SshTarget): string[] {
  return ["-p", String(target.port), ...(target.user === undefined ? [] : ["-l", target.user]), "--", target.address];
}

function options(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/**
 * The way through bastions. ProxyJump would do the same, but does not hand on the checking of keys: a bastion's key
 * has to be as well known as the host's.
 */
function proxyCommand(target: SshTarget, times: SshTimes): string {
  const hops = (target.jump ?? "").split(",");
  const last = hops.pop() ?? "";
  const [, user, host = "", port] = /^(?:([^@]+)@)?(.+?)(?::(\d+))?$/.exec(last) ?? [];
  const bastion: SshTarget = {
    ...target,
    address: host,
    port: Number(port ?? 22),
    user,
    jump: hops.length === 0 ? undefined : hops.join(","),
  };
  const [, ...rest] = connectArgv(bastion, { kind: "fresh" }, times, "");
  const own = port === undefined ? withoutPort(rest) : rest;
  // `%h` and `%p` are the host behind the bastion; any other percent sign is meant literally.
  const words = own.slice(0, -1).map((word) => shellWord(word).replaceAll("%", "%%"));
  return ["ssh -T -W", "'[%h]:%p'", ...words].join(" ");
}

/** Without a port in the jump the one of the user's configuration counts. */
function withoutPort(argv: readonly string[]): string[] {
  const at = argv.indexOf("-p");
  return argv.toSpliced(at, 2);
}

/** Values of options are split at blanks unless they are quoted (ssh_config(5)). */
function quoted(value: string): string {
  const literal = percentless(value);
  return /[\s"'\\#]/.test(literal) ? `"${literal.replaceAll(/(["\\])/g, String.raw`\$1`)}"` : literal;
}

/** A percent sign begins a token of OpenSSH; doubled it stands for itself. */
function percentless(value: string): string {
  return value.replaceAll("%", "%%");
}

function shellWord(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
