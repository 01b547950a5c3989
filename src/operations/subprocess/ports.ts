/** A program that is run to its end. */
export interface ProcessRequest {
  readonly argv: readonly [string, ...string[]];
  /** Fed to the program; without it standard input is empty. */
  readonly stdin?: string;
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** The script that `argv` starts and the SHA-256 (hex) of the bytes that were planned; others are not started. */
  readonly script?: { readonly file: string; readonly sha256: string };
  /** After this the whole process group is ended: SIGTERM, then SIGKILL. */
  readonly deadlineMs: number;
  /**
   * Text that the program and what it starts may read, and nobody else: from the open file whose descriptor the variable
   * SUNNY_SCOPE_FD names.
   */
  readonly scope?: string;
  /** Called once with the leader of the program's process group. */
  readonly onStarted?: (leader: { readonly pid: number; readonly startTime: string; readonly boot: string }) => void;
  /** Everything written to standard output and standard error, as it comes. */
  readonly onOutput?: (text: string, stream: "stdout" | "stderr") => void;
}

export interface ProcessResult {
  /** Null when a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
  /** Why it was ended from outside; null when it ended by itself. */
  readonly ended: "deadline" | "aborted" | null;
  /** The first 4 MiB. */
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs programs in a process group of their own, under a watchdog that ends the group when Sunny is gone. No shell is
 * involved unless `argv` names one.
 */
export interface ProcessRunner {
  /**
   * @throws TerminalError PROGRAM_NOT_STARTED when it could not be started, SCRIPT_CHANGED when the script is not the one
   * that was planned: nothing happened then
   */
  run(request: ProcessRequest, signal?: AbortSignal): Promise<ProcessResult>;
}

export interface SubprocessPorts {
  readonly processes: ProcessRunner;
  /** What programs may see of Sunny's own environment, by name: PATH, HOME, LANG, TZ and the like; no secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** The shell for commands that need one, up to the text: `bash -euo pipefail -c`, or `sh -eu -c` where there is no bash. */
  readonly shell: readonly [string, ...string[]];
}
