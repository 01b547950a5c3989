import { RetryableError, TerminalError } from "../../engine/context.ts";
import type { SshTarget } from "./argv.ts";

/** What `ssh` said about a connection that did not come up; known by its messages, which are not translated. */
export type SshFailure =
  /** The host's key is in no known-hosts file. */
  | "host-key-unknown"
  /** The host shows another key than the one that is known, or one that was revoked. */
  | "host-key-changed"
  /** The host is there and does not let us in. */
  | "refused"
  /** The host lets us in and starts no session for us. */
  | "no-session"
  /** The connection broke off before it was ready, as a server drops some above MaxStartups: worth another try. */
  | "dropped"
  /** The configuration of OpenSSH, or a key file, cannot be used. */
  | "misconfigured"
  | "unreachable";

const SIGNS: readonly (readonly [SshFailure, RegExp])[] = [
  ["host-key-changed", /REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY|Offending \S+ key in/],
  ["host-key-unknown", /No \S+ host key is known for|Host key verification failed/],
  ["refused", /Permission denied \(|Too many authentication failures|no mutual signature|Access denied/],
  // What is behind a bastion fails with another reason, or another word after it.
  ["no-session", /^channel \d+: open failed: connect failed: open failed\r?$/m],
  ["misconfigured", /Bad configuration option|Bad owner or permissions|UNPROTECTED PRIVATE KEY|terminating, \d+ bad/],
  [
    "dropped",
    /kex_exchange_identification|banner exchange|Exceeded MaxStartups|Connection (to \S+ )?(closed|reset) by|Broken pipe/i,
  ],
];

/** Reads the failure out of what `ssh` wrote to stderr. */
export function failureOf(stderr: string): SshFailure {
  return SIGNS.find(([, sign]) => sign.test(stderr))?.[0] ?? "unreachable";
}

/** The host's key as `ssh -v` shows it: algorithm and SHA-256 fingerprint; the last one, behind all bastions. */
export function shownKey(verbose: string): { readonly type: string; readonly fingerprint: string } | null {
  const found = [...verbose.matchAll(/Server host key: (\S+) (SHA256:\S+)/g)].at(-1);
  return found === undefined ? null : { type: found[1] ?? "", fingerprint: found[2] ?? "" };
}

/** Of which host a complaint about a key speaks: with a bastion on the way it may be the bastion. */
export function complainedHost(stderr: string): string | null {
  return /host key (?:is known )?for (\S+) (?:has changed|and you|was)/.exec(stderr)?.[1] ?? null;
}

/** What is wrong with the certificate that a host showed, where an authority is trusted and signed it. */
function certificateProblem(stderr: string): string | null {
  return /^Certificate (?:invalid: )?(.+?)\r?$/m.exec(stderr)?.[1] ?? null;
}

/** Who did not let whom in, and in which words: "ops@gate: Permission denied (publickey)." */
function refusedAt(stderr: string): { readonly who: string; readonly words: string } | null {
  const [, who, words] = /^(\S+@\S+): (Permission denied \(.*\))/m.exec(stderr) ?? [];
  return who === undefined || words === undefined ? null : { who, words };
}

/** The bastion that did not let us in, as it is configured; null when it was the host itself. */
function refusingBastion({ address, jump = "" }: SshTarget, who: string | undefined): string | null {
  const host = who?.slice(who.lastIndexOf("@") + 1);
  if (host === undefined || host === address) return null;
  return jump.split(",").find((hop) => hop.replace(/^.*@/, "").replace(/:\d+$/, "") === host) ?? null;
}

/**
 * The error for a connection that did not come up, nothing having been done on the host. `key` is what the host showed.
 */
export function failureError(
  host: string,
  target: SshTarget,
  failure: SshFailure,
  stderr: string,
  key: ReturnType<typeof shownKey>,
): Error {
  const at = `${target.address} port ${target.port}`;
  const said = lastWords(stderr);
  const file = target.knownHostsFile ?? "the user's known_hosts";
  const shown = key === null ? "" : `; it shows ${key.type} ${key.fingerprint}`;
  const details = { host, address: target.address, port: target.port, fingerprint: key?.fingerprint ?? null, said };
  const complained = complainedHost(stderr) ?? at;
  const certificate = certificateProblem(stderr);
  const refused = refusedAt(stderr);
  const bastion = refusingBastion(target, refused?.who);
  switch (failure) {
    case "host-key-unknown":
      if (certificate !== null) {
        return new TerminalError(
          "SSH_HOST_KEY_UNKNOWN",
          `${host}: the certificate that ${complained} shows does not count: ${certificate}. Have the authority that ` +
            `${file} names sign the host's key anew, for ${target.address}`,
          details,
        );
      }
      return new TerminalError(
        "SSH_HOST_KEY_UNKNOWN",
        `${host}: the key of ${complained} is not in ${file}${shown}. Compare the fingerprint with what the host's ` +
          `console says (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then add the key to that file`,
        details,
      );
    case "host-key-changed":
      if (/REVOKED HOST KEY/.test(stderr)) {
        return new TerminalError(
          "SSH_HOST_KEY_CHANGED",
          `${host}: the key of ${complained} is marked as revoked in ${file}${shown}: whoever shows it is not to be trusted. ` +
            `Give the host a new key and add that one; the line with @revoked stays`,
          details,
        );
      }
      return new TerminalError(
        "SSH_HOST_KEY_CHANGED",
        `${host}: the key of ${complained} is not the one in ${file}${shown}. Either the host was made anew or somebody ` +
          `is in between: find out which, and only then replace the key (ssh-keygen -R removes the old one)`,
        details,
      );
    case "refused":
      if (bastion !== null) {
        return new TerminalError(
          "SSH_REFUSED",
          `${host}: the bastion ${bastion} does not let us in: ${refused?.words}. Look at the key, the agent and the ` +
            `account there with: ssh -v ssh://${bastion}`,
          details,
        );
      }
      return new TerminalError(
        "SSH_REFUSED",
        `${host}: ${at} does not let ${target.user ?? "the user"} in: ${refused?.words ?? said}. ${tooMany(stderr)}Look at ` +
          `the key, the agent and the account with: ssh -v -p ${target.port} ${target.user === undefined ? "" : `${target.user}@`}${target.address}`,
        details,
      );
    case "no-session":
      return new TerminalError(
        "SSH_REFUSED",
        `${host}: ${at} lets ${target.user ?? "the user"} in, but takes no session, so that nothing can be run. Look at ` +
          `MaxSessions in the host's sshd_config: it has to be 1 at least`,
        details,
      );
    case "misconfigured":
      return new TerminalError("SSH_CONFIG_INVALID", `${host}: OpenSSH cannot use its configuration: ${said}`, details);
    case "dropped":
    case "unreachable":
      return new RetryableError(
        "HOST_UNREACHABLE",
        `${host}: cannot connect to ${at}${wayTo(target, stderr)}: ${said}`,
      );
  }
}

/**
 * The host let us in, and its first word did not come: a shell that lets nobody work, a startup file that ends or keeps the
 * shell, a forced command. `heard` is what it said instead, `why` how that showed.
 */
export function noShellError(host: string, target: SshTarget, heard: string, why: string): RetryableError {
  const said = heard.trim() === "" ? "nothing" : JSON.stringify(lastWords(heard).slice(-200));
  const user = target.user === undefined ? "" : `${target.user}@`;
  return new RetryableError(
    "HOST_UNREACHABLE",
    `${host}: ${target.address} port ${target.port} lets ${target.user ?? "the user"} in, but its login shell runs no ` +
      `scripts: ${why}, and it said ${said}. Look at the account's shell, its startup files and a forced command with: ` +
      `ssh -T -p ${target.port} ${user}${target.address} 'exec sh'`,
  );
}

/** The agent offered others before the right one came. */
function tooMany(stderr: string): string {
  if (!stderr.includes("Too many authentication failures")) return "";
  return "More keys were offered than it tries: name the right one as identityFile, then no other is offered. ";
}

/** Where a host behind bastions was lost: on the way to it, or behind it. */
function wayTo({ jump }: SshTarget, stderr: string): string {
  if (jump === undefined) return "";
  return /^stdio forwarding failed/m.test(stderr)
    ? ` through ${jump}, which cannot connect to it from there`
    : ` through ${jump}`;
}

/** What `ssh` says of a host whose bastion ended, whatever the bastion said of the reason. */
const ECHO = /^kex_exchange_identification: Connection closed by remote host|^Connection closed by UNKNOWN port/;

/** What `ssh` said last, on one line; banners, blank lines and the echo of another reason are left out. */
function lastWords(stderr: string): string {
  const all = stderr.split(/\r?\n/).filter((line) => line.trim() !== "" && !/^[@\s]+$/.test(line));
  const reasons = all.filter((line) => !ECHO.test(line));
  const lines = reasons.length > 0 ? reasons : all;
  return lines.slice(-2).join("; ").slice(0, 500) || "ssh ended without a word";
}
