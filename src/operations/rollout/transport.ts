/*
 * How a script gets to a host. Declared here, below the adapters, because adapters do not import one another: the
 * host driver consumes it, the local and the SSH transport implement it.
 */

export interface ScriptOptions {
  /** What the script reads from descriptor 3; a file, so that it streams. */
  readonly payloadPath?: string;
  /** First byte of the payload that is sent, over a network; default 0. What the host has already is not sent again. */
  readonly payloadStart?: number;
  /**
   * Over a connection made for this script alone, where a transport knows connections: it shows that the host still
   * lets Sunny in. Default false.
   */
  readonly fresh?: boolean;
  /**
   * It starts nothing that outlives it. Such a script may share the process group of its connection, any other one has a
   * group of its own. Default false.
   */
  readonly stays?: boolean;
  readonly signal?: AbortSignal;
  /** The whole process group of the script is ended after this time. */
  readonly deadlineMs: number;
}

export interface ScriptResult {
  /** Exit status of the script, from its sentinel; null when the script did not reach its end (cut, killed, expired). */
  readonly status: number | null;
  /** Without the sentinel; at most 4 MiB are kept. */
  readonly stdout: string;
  readonly stderr: string;
  /** Why there is no status: "deadline", "aborted", "cut"; null when there is one. */
  readonly ended: "deadline" | "aborted" | "cut" | null;
}

/** Runs one script on a host with `sh -s`, over one connection. */
export interface Transport {
  /** @throws RetryableError HOST_UNREACHABLE when it is certain that the script did not start. */
  run(host: string, script: string, options: ScriptOptions): Promise<ScriptResult>;
}

/**
 * Makes a script that a cut connection cannot run by half, and whose end is told from the transport's: all of it is one
 * function, which a shell only calls once it has read the last line, and its exit status follows `marker` on the last
 * line of the output. `marker` is new for every run, so that no output of a program can look like it. `last` is what the
 * shell does after that.
 */
export function withSentinel(script: string, marker: string, last = ""): string {
  return [
    "sunny_main() {",
    script.trimEnd(),
    "}",
    `trap 'printf "\\n%s %d\\n" ${marker} "$?"${last === "" ? "" : `; ${last}`}' EXIT`,
    "sunny_main </dev/null",
    "exit",
    "",
  ].join("\n");
}

/** Splits the output of such a script; `status` is null when the sentinel is missing. */
export function readSentinel(
  output: string,
  marker: string,
): { readonly status: number | null; readonly stdout: string } {
  const at = output.lastIndexOf(`\n${marker} `);
  const match = at < 0 ? null : /^\d+$/m.exec(output.slice(at + marker.length + 2));
  if (match === null) return { status: null, stdout: output };
  return { status: Number(match[0]), stdout: output.slice(0, at) };
}
