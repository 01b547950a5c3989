import path from "node:path";
import { TerminalError } from "../../engine/context.ts";
import type { StepScope } from "../../engine/context.ts";
import type { FileFact, HostInspector } from "../../operations/security/ports.ts";
import { shellQuote } from "./shell.ts";

/** Runs scripts on a host; see `hostCommands`. */
interface Commands {
  read(script: string, signal?: AbortSignal): Promise<string>;
  change(script: string, scope: StepScope): Promise<string>;
}

/** A script's output is kept up to 4 MiB, of which the result has to be a part. */
const MOST_LOG_BYTES = 2 * 1024 * 1024;

const FACT = String.raw`fact() {
  kind=missing mode=0
  if [ -S "$1" ]; then kind=socket; elif [ -d "$1" ]; then kind=directory; elif [ -e "$1" ]; then kind=file; fi
  [ "$kind" = missing ] || mode=$(stat -L -c %a "$1" 2>/dev/null || stat -L -f %Lp "$1") || fail CHECK_FAILED "cannot read the mode of $1"
  printf 'fact %s %s %s\n' "$kind" "$mode" "$1"
}`;

/**
 * Looks at hosts that are reached over a network, with what POSIX and coreutils have. It cannot tell which ports a process
 * listens on.
 */
export function remoteInspector(commandsOf: (host: string) => Commands): HostInspector {
  const factsOf = async (host: string, script: string, signal?: AbortSignal): Promise<FileFact[]> => {
    const output = await commandsOf(host).read(`${FACT}\n${script}`, signal);
    return [...output.matchAll(/^fact (file|socket|directory|missing) ([0-7]+) (.+)$/gm)].map((match) => ({
      path: match[3] ?? "",
      kind: match[1] as FileFact["kind"],
      mode: Number.parseInt(match[2] ?? "0", 8) & 0o777,
    }));
  };
  return {
    files: (host, paths, signal) => factsOf(host, paths.map((file) => `fact ${shellQuote(file)}`).join("\n"), signal),
    sockets(host, folder, signal) {
      // Releases hold code, and a lot of it.
      const [root, releases] = [shellQuote(folder), shellQuote(path.posix.join(folder, "releases"))];
      const found = `find ${root} -path ${releases} -prune -o -type s -print`;
      return factsOf(host, `${found} | while IFS= read -r one; do fact "$one"; done`, signal);
    },
    listeners: () => Promise.resolve(null),
    async logTails(host, folder, bytes, signal) {
      const commands = commandsOf(host);
      const most = Math.min(bytes, MOST_LOG_BYTES);
      const list = `for one in ${shellQuote(folder)}/*.log; do [ ! -f "$one" ] || printf 'log %s\n' "$one"; done`;
      const files = [...(await commands.read(list, signal)).matchAll(/^log (.+)$/gm)].map((match) => match[1] ?? "");
      const tails: Record<string, string> = {};
      for (const file of files) tails[file] = await commands.read(`tail -c ${most} ${shellQuote(file)}`, signal);
      return tails;
    },
  };
}

/** Sends bytes to a socket of the host with the first program there that can, and prints the answer. */
const TALK = String.raw`talk() {
  if command -v perl >/dev/null 2>&1; then
    perl -MSocket -e '$| = 1; socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un($ARGV[0])) or die "$!\n";
      select((select(S), $| = 1)[0]); print S $_ while <STDIN>; print while <S>' "$socket"
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read())
while True:
    b = s.recv(65536)
    if not b: break
    sys.stdout.buffer.write(b)' "$socket"
  elif command -v socat >/dev/null 2>&1; then
    socat -t 10 - "UNIX-CONNECT:$socket"
  else
    fail SERVICE_ADMIN_UNREACHABLE "there is neither perl, python3 nor socat to reach $socket"
  fi
}`;

/**
 * One HTTP request to a socket of a host; gives back the body of the answer. HTTP/1.0 (RFC 1945), so that the answer is
 * not chunked and ends with the connection.
 *
 * @throws Error when the status is not 200, and as `hostCommands`
 */
export async function requestOnHost(
  commands: Commands,
  request: { readonly socket: string; readonly method: string; readonly route: string },
  by: { readonly signal?: AbortSignal | undefined; readonly scope?: StepScope },
): Promise<string> {
  const { socket, method, route } = request;
  const script = [
    `socket=${shellQuote(socket)}`,
    TALK,
    `printf '%s %s HTTP/1.0\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n' ${shellQuote(method)} ${shellQuote(route)} | talk`,
  ].join("\n");
  const asked = by.scope === undefined ? commands.read(script, by.signal) : commands.change(script, by.scope);
  const answer = await asked.catch((error: unknown) => {
    throw unheard(error);
  });
  const [, status = "", body = ""] = /^HTTP\/1\.[01] (\d{3})[^]*?\r\n\r\n([^]*)$/.exec(answer) ?? [];
  if (status === "200") return body;
  throw new Error(status === "" ? "it gave no answer in HTTP" : `status ${status}: ${body.slice(0, 200)}`);
}

/** Of a program that could not reach the socket its own words count, since who asked names the socket. */
function unheard(error: unknown): unknown {
  if (!(error instanceof TerminalError) || error.code !== "HOST_SCRIPT_FAILED") return error;
  const { output } = error.details as { readonly output: string };
  return new Error(output === "" ? error.message : output, { cause: error });
}
