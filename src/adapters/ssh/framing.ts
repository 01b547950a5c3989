import { withSentinel } from "../../operations/rollout/transport.ts";

/** What the remote side says when it waits for a script, with the marker of the one before: on standard output. */
export const READY = "@sunny-ready";
/** What it says on standard error after a script. */
export const GONE = "@sunny-gone";
/** What a script says that waits for its payload, with its marker. */
export const SEND = "@sunny-send";

/**
 * The command of every session; all that is particular comes on standard input, which that shell reads as its script. It
 * may read more of it than a script: nothing follows before the one before said that it is over.
 */
export const REMOTE_COMMAND = "exec sh";

/**
 * The first that is sent: says that the shell is there. Its group is ended with a script, so it has to be its own, which
 * not every server gives it. Without `setsid` job control gives each script one (`e` is what starts it, `k` its group).
 */
export const PROLOGUE = Buffer.from(
  [
    "if command -v setsid >/dev/null 2>&1; then { read -r x x x x g x </proc/$$/stat; } 2>/dev/null; ",
    `[ "\${g-}" = $$ ] || exec setsid sh -c 'echo "${READY} "; exec sh'; `,
    `else e=; set -m; case $- in *m*) k=0 ;; esac; fi; echo "${READY} "\n`,
  ].join(""),
);

/** Asks a remote side that waits for a script whether it is there; it answers `READY` with that marker. */
export function question(marker: string): string {
  return `echo "${READY} ${marker}"\n`;
}

/**
 * Ends the whole process group of the script when the connection's input ends before the script did: cut, expired or
 * stopped. Until the script's end nothing is sent, so there is nothing else that it could read.
 */
const WATCH = "{ read -r word <&4; kill -KILL ${k:--$$}; } </dev/null >/dev/null 2>&1 &";
/**
 * Ends the one that watches and waits until it is gone, since a process that is being killed still takes what it waited
 * for. Never the whole group: a service that was just started may not have left it yet.
 */
const UNWATCH = "kill -KILL $w; wait $w 2>/dev/null";

/** Bytes that are read at once. */
const BLOCK = 65_536;

/** Copies the payload from the stream. Where `dd` cannot fill its blocks from a pipe, `head` takes it. */
function take(bytes: number): string {
  const [blocks, rest] = [Math.floor(bytes / BLOCK), bytes % BLOCK];
  const parts = [
    ...(blocks > 0 ? [`dd bs=${String(BLOCK)} count=${String(blocks)} iflag=fullblock`] : []),
    ...(rest > 0 ? [`dd bs=${String(rest)} count=1 iflag=fullblock`] : []),
  ];
  if (parts.length === 0) return ":";
  return `{ ${parts.join(" && ")}; } <&4 2>/dev/null || head -c ${String(bytes)} <&4`;
}

/**
 * Around a script with a payload: the payload goes to it through a pipe, and what it leaves of it is thrown away. Who
 * watches for the end of the input begins when all of the payload was taken, which a second pipe tells (descriptor 6);
 * its end tells that the script is over.
 */
function withPayload(body: string, marker: string, bytes: number): string[] {
  return [
    `echo "${SEND} ${marker}"`,
    "exec 7>&1",
    "{ {",
    take(bytes),
    "echo taken >&6",
    "} 7>&- | {",
    "exec 3<&0 </dev/null 4<&- >&7 7>&-",
    `(\n${body}\n) 6>&-`,
    "read -r rest <&3 && cat <&3 >/dev/null",
    "}",
    "} 6>&1 | {",
    "read -r word",
    WATCH,
    "w=$!",
    "read -r word",
    UNWATCH,
    "}",
    "exit 0",
  ];
}

/** What is sent to run a script. */
export interface Framed {
  readonly script: string;
  /** New for every script. */
  readonly marker: string;
  /** Length of its payload; null for none. */
  readonly payloadBytes: number | null;
  /** It starts nothing that outlives it, and so may run in the process group of the session. */
  readonly stays: boolean;
}

/**
 * What is sent once the remote side is ready. When the script said that it waits for its payload (`SEND`), that follows
 * on the same stream, `payloadBytes` long, and reaches the script on descriptor 3. Then the stream stays silent for as
 * long as the script runs. Whoever watches is a child of the script's shell: a script waits for what it started by its
 * number. A script that stays is a fork of the session's shell, any other one has a shell in a session of its own. After
 * a script that was killed nobody knows what is still to be read, so the session ends.
 */
export function frame({ script, marker, payloadBytes, stays }: Framed): Buffer {
  const lines =
    payloadBytes === null
      ? [WATCH, "w=$!", "exec 4<&-", withSentinel(script, marker, `${UNWATCH}; exit 0`).trimEnd()]
      : withPayload(withSentinel(script, marker).trimEnd(), marker, payloadBytes);
  // In braces, because a shell carries out what it has read of a list that was cut, but not half of a group.
  const run = stays
    ? ["(", "exec 4<&0 </dev/null", ...lines, ")"]
    : [`\${e-setsid} sh 4<&0 <<'${marker}'`, "{", "exec </dev/null", ...lines, "}", marker];
  const end = ["r=$?", `echo "${GONE} ${marker}" >&2`, "[ $r -lt 128 ] || exit", `echo "${READY} ${marker}"`];
  return Buffer.from(["{", ...run, ...end, "}", ""].join("\n"));
}
