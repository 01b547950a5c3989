import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import path from "node:path";

/** Files of one process of `ssh` in the directory of the control sockets: pipes that have a name (mkfifo(1)). */
export interface NamedPipes {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Made with one call of `mkfifo`, which costs as much as one for three files. */
const AT_ONCE = 16;

/** The pipes of that name, whether they are there or not. */
export function pipesOf(directory: string, name: string): NamedPipes {
  const file = (stream: string): string => path.join(directory, `${name}.${stream}`);
  return { stdin: file("in"), stdout: file("out"), stderr: file("err") };
}

/** Removes the pipes of that name, as far as they are there. */
export function removePipes(directory: string, name: string): void {
  for (const file of filesOf(directory, name)) rmSync(file, { force: true });
}

function filesOf(directory: string, name: string): string[] {
  const { stdin, stdout, stderr } = pipesOf(directory, name);
  return [stdin, stdout, stderr];
}

/** Gives out names of pipes that nobody uses. */
export class PipeSupply {
  readonly #directory: string;
  #made: Promise<string[]> = Promise.resolve([]);
  /** There is no `mkfifo`, or no room. */
  #failed = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A name whose pipes are there; null where none can be made. */
  async take(): Promise<string | null> {
    this.#made = this.#made.then((names) => (names.length > 0 || this.#failed ? names : this.#make()));
    const names = await this.#made;
    return names.pop() ?? null;
  }

  /** Removes those that were not given out. */
  async clear(): Promise<void> {
    for (const name of (await this.#made).splice(0)) removePipes(this.#directory, name);
  }

  #make(): Promise<string[]> {
    const names = Array.from({ length: AT_ONCE }, () => randomBytes(4).toString("hex"));
    const files = names.flatMap((name) => filesOf(this.#directory, name));
    return new Promise((resolve) => {
      execFile("mkfifo", ["-m", "600", "--", ...files], (error) => {
        this.#failed = error !== null;
        resolve(this.#failed ? [] : names);
      });
    });
  }
}
