import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";

/** What programs need to run at all, and what providers and backends are configured by. */
const PASSED =
  /^(PATH|HOME|USER|LANG|LC_ALL|TZ|TMPDIR|SSH_AUTH_SOCK|HTTPS?_PROXY|NO_PROXY|TF_VAR_.+|AWS_.+|ARM_.+|GOOGLE_.+)$/;

/**
 * The environment that Terraform gets. Nothing of the user's that changes what it does: no TF_CLI_ARGS, no TF_LOG (which
 * writes secrets to the log), no TF_DATA_DIR, no TF_WORKSPACE.
 */
export function terraformEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const passed = Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined && PASSED.test(name) ? [[name, value] as const] : [],
  );
  return { ...Object.fromEntries(passed), TF_IN_AUTOMATION: "1", TF_INPUT: "0", CHECKPOINT_DISABLE: "1" };
}

/** Path of the first of `binaries` that is on the PATH; null when none is. */
export function findBinary(binaries: readonly string[], environment: NodeJS.ProcessEnv): string | null {
  const directories = (environment["PATH"] ?? "/usr/bin:/bin").split(path.delimiter);
  for (const binary of binaries) {
    const candidates = path.isAbsolute(binary)
      ? [binary]
      : directories.map((directory) => path.resolve(directory, binary));
    const found = candidates.find(isExecutable);
    if (found !== undefined) return found;
  }
  return null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
