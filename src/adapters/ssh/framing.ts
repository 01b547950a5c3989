import { withSentinel } from "../../operations/rollout/transport.ts";

/** What the remote side says when it waits for a script, with the marker of the one before: on standard output. */
export const READY = "@sunny-ready";
/** What it says on standard error after a script. */
export const GONE = "@sunny-gone";

/**
 * The command of every session; all that is particular comes on standard input. Says that it is there, reads a length
 * with a marker and then exactly as many bytes, since what follows belongs to the script, runs them in a session of
 * their own, and says that it is there again. `dd` of GNU and busybox fills its block from a pipe when asked to, and
 * refuses before it reads when it cannot; then it reads byte by byte. A shell without `setsid` has job control instead.
 * After a script that was killed nobody knows what is still to be read, so the session ends.
 */
export const REMOTE_COMMAND = [
  "exec sh -c '",
  "exec 4<&0 </dev/null; m=; ",
  "if command -v setsid >/dev/null 2>&1; then e=setsid; else e=; set -m; fi; ",
  `while echo "${READY} $m"; read -r n m <&4 && `,
  '{ s=$(dd bs="$n" count=1 iflag=fullblock <&4 2>/dev/null) || s=$(dd bs=1 count="$n" <&4 2>/dev/null); }; do ',
  'printf "%s\\n" "$s" | $e sh /dev/fd/5 5<&0 </dev/null & p=$!; wait $p; r=$?; ',
  `echo "${GONE} $m" >&2; [ $r -lt 128 ] || exit; done'`,
].join("");

/**
 * Ends the whole process group of the script when the connection's input ends before the script did: cut, expired or
 * stopped. Until the script's end nothing is sent, so there is nothing else that it could read.
 */
const WATCH = "{ read -r word <&4; kill -KILL -$$; } </dev/null >/dev/null 2>&1 &";
/**
 * Ends the one that watches and waits until it is gone, since a process that is being killed still takes what it waited
 * for. Never the whole group: a service that was just started may not have left it yet.
 */
const UNWATCH = "kill -KILL $w; wait $w 2>/dev/null";

/** Bytes that are read at once. */
const BLOCK = 65_536;

/**
 * Copies exactly the payload from the stream, since what follows belongs to the next script. Where `dd` cannot fill its
 * blocks from a pipe, `head` takes it, which may take more: then `t` says so, and the session ends with the script.
 */
function take(bytes: number): string {
  const [blocks, rest] = [Math.floor(bytes / BLOCK), bytes % BLOCK];
  const parts = [
    ...(blocks > 0 ? [`dd bs=${String(BLOCK)} count=${String(blocks)} iflag=fullblock`] : []),
    ...(rest > 0 ? [`dd bs=${String(rest)} count=1 iflag=fullblock`] : []),
  ];
  if (parts.length === 0) return "t=taken";
  return `t=taken; { ${parts.join(" && ")}; } <&4 2>/dev/null || { t=over; head -c ${String(bytes)} <&4; }`;
}

/**
 * Around a script with a payload: the payload goes to it through a pipe, and what it leaves of it is thrown away. Who
 * watches for the end of the input begins when all of the payload was taken, which a second pipe tells (descriptor 6);
 * its end tells that the script is over.
 */
function withPayload(body: string, bytes: number): string {
  return [
    "{",
    "exec 5<&- 7>&1",
    "{ {",
    take(bytes),
    'echo "$t" >&6',
    "} 7>&- | {",
    "exec 3<&0 </dev/null 4<&- >&7 7>&-",
    `${body} 6>&-`,
    "read -r rest <&3 && cat <&3 >/dev/null",
    "}",
    "} 6>&1 | {",
    "read -r t",
    WATCH,
    "w=$!",
    "read -r end",
    UNWATCH,
    '[ "$t" = taken ] || exit 200',
    "}",
    "}",
  ].join("\n");
}

/**
 * What is sent once the remote side is ready: length, marker and the script. A payload of `payloadBytes` follows it on
 * the same stream and reaches the script on descriptor 3. Then the stream stays silent for as long as the script runs.
 */
export function frame(script: string, marker: string, payloadBytes: number | null): Buffer {
  const body = `(\n${withSentinel(script, marker).trimEnd()}\n)`;
  // In braces, because a shell carries out what it has read of a list that was cut, but not half of a group.
  const text =
    payloadBytes === null
      ? ["{", "exec 5<&-", WATCH, "w=$!", "exec 4<&-", body, UNWATCH, ":", "}"].join("\n")
      : withPayload(body, payloadBytes);
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${String(bytes.length)} ${marker}\n`), bytes]);
}
