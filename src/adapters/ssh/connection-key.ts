import { statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import path from "node:path";
import { canonicalJson, sha256 } from "../../json.ts";
import { connectArgv } from "./argv.ts";
import type { SshTarget, SshTimes } from "./argv.ts";
import { PROLOGUE, REMOTE_COMMAND } from "./framing.ts";

/**
 * What a connection was made with: two that have the same key were checked against the same host keys and let in by the same
 * means. Files that decide about it count by inode, size and time; those that `Include` names in them are not looked at.
 */
export function connectionKey(target: SshTarget, times: SshTimes, program: string, env: NodeJS.ProcessEnv): string {
  const home = path.join(homeOfUser(), ".ssh");
  const files = [
    "/etc/ssh/ssh_config",
    path.join(home, "config"),
    path.join(home, "known_hosts"),
    ...(target.knownHostsFile === undefined ? [] : [target.knownHostsFile]),
    ...(target.identityFile === undefined ? [] : [target.identityFile]),
  ];
  return sha256(
    canonicalJson({
      argv: connectArgv(target, { kind: "shared", socket: "" }, times, REMOTE_COMMAND),
      prologue: PROLOGUE.toString(),
      program,
      agent: env["SSH_AUTH_SOCK"] ?? null,
      path: env["PATH"] ?? null,
      files: files.map(stampOf),
    }),
  );
}

/** As `ssh` has it, whatever HOME says. */
function homeOfUser(): string {
  try {
    return userInfo().homedir;
  } catch {
    return homedir();
  }
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch {
    return "none";
  }
}
