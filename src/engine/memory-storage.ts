import type { Json } from "../json.ts";
import type { JournalRow } from "./rows.ts";
import type {
  EnvironmentRecord,
  JournalStorage,
  OutputChunk,
  RunRecord,
  StorageReader,
  StorageTransaction,
} from "./storage.ts";

/**
 * A journal's disk in plain memory: what was committed outlives every connection, as a file outlives its processes.
 * `beforeCommit` and `afterCommit` are where a simulation lets a process die or a disk be full.
 */
export class MemoryDisk {
  readonly authority: string;
  readonly runs = new Map<string, RunRecord>();
  readonly rows: JournalRow[] = [];
  readonly environments = new Map<string, EnvironmentRecord>();
  readonly statuses = new Map<string, { at: number; value: Json }>();
  readonly output: OutputChunk[] = [];
  commits = 0;

  constructor(authority: string) {
    this.authority = authority;
  }

  /** Opens it as one process would; commits of other connections show in this one's change counter. */
  connect(hooks: { beforeCommit?: () => void; afterCommit?: () => void } = {}): JournalStorage {
    const read = readerOf(this);
    let own = 0;
    return {
      authority: this.authority,
      read,
      transaction: (work) => {
        const undo: (() => void)[] = [];
        let result;
        try {
          result = work(writerOf(this, read, undo));
          hooks.beforeCommit?.();
        } catch (error) {
          for (const step of undo.toReversed()) step();
          throw error;
        }
        this.commits += 1;
        own += 1;
        hooks.afterCommit?.();
        return result;
      },
      changeCounter: () => this.commits - own,
      close: () => undefined,
    };
  }
}

function readerOf(disk: MemoryDisk): StorageReader {
  const rowsAfter = (seq: number): JournalRow[] => disk.rows.slice(seq);
  return {
    run: (id) => disk.runs.get(id),
    progress: (id) => disk.runs.get(id),
    runs: (limit) => [...disk.runs.values()].toReversed().slice(0, limit),
    history: (run) =>
      disk.rows
        .filter((row) => row.run === run && row.type !== "control")
        .map((row) => ({ ...row, data: JSON.stringify(row.data) })),
    rowsAfter: (seq, run, limit) =>
      rowsAfter(seq)
        .filter((row) => run === null || row.run === run)
        .slice(0, limit),
    controlsAfter: (seq, run) => rowsAfter(seq).filter((row) => row.run === run && row.type === "control"),
    lastSeq: () => disk.rows.length,
    environment: (name) => disk.environments.get(name),
    status: (run) => disk.statuses.get(run),
    output: (run, step, afterSeq) =>
      disk.output.filter(
        (chunk) => chunk.run === run && (step === null || chunk.step === step) && chunk.seq > afterSeq,
      ),
    outputBytes: (run, step) =>
      disk.output
        .filter((chunk) => chunk.run === run && chunk.step === step)
        .reduce((sum, chunk) => sum + Buffer.byteLength(chunk.text), 0),
  };
}

function writerOf(disk: MemoryDisk, read: StorageReader, undo: (() => void)[]): StorageTransaction {
  const set = <V>(map: Map<string, V>, key: string, value: V): void => {
    const before = map.get(key);
    undo.push(() => (before === undefined ? map.delete(key) : map.set(key, before)));
    map.set(key, value);
  };
  const push = <V>(list: V[], value: V): number => {
    undo.push(() => list.pop());
    return list.push(value);
  };
  return {
    ...read,
    insertRun: (run) => set(disk.runs, run.id, run),
    updateRun: (id, changes) => set(disk.runs, id, { ...disk.runs.get(id)!, ...changes }),
    append: (row, at) => push(disk.rows, { ...row, seq: disk.rows.length + 1, at }),
    putEnvironment: (record) => set(disk.environments, record.name, record),
    putStatus: (run, value, at) => set(disk.statuses, run, { at, value }),
    appendOutput: (chunk) => void push(disk.output, { ...chunk, seq: disk.output.length + 1 }),
  };
}
