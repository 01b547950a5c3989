import type { Arg, HttpCommand } from "./model.ts";

/** What a curl call means, and what of it Sunny cannot do itself. */
export interface CurlCall {
  /** Absent: an option is beyond what Sunny does itself, so curl has to be run. */
  readonly http?: HttpCommand;
  readonly fails: boolean;
  readonly insecure: boolean;
}

/** Options without a value that change nothing about whether the request succeeds. */
const QUIET = new Set(
  "-s --silent -S --show-error -v --verbose -i --include -# --progress-bar -g --globoff -sS -N".split(" "),
);
const FAIL = new Set(["-f", "--fail", "--fail-with-body"]);
const WITH_VALUE: Readonly<Record<string, string>> = {
  "-X": "method",
  "--request": "method",
  "-H": "header",
  "--header": "header",
  "-d": "data",
  "--data": "data",
  "--data-raw": "data",
  "-m": "timeout",
  "--max-time": "timeout",
  "--connect-timeout": "nothing",
  "--retry": "retries",
  "--retry-delay": "nothing",
  "--retry-max-time": "nothing",
  "-o": "output",
  "--output": "output",
  "-w": "nothing",
  "--write-out": "nothing",
  "--url": "url",
};

interface Draft {
  urls: Arg[];
  method?: string;
  headers: { name: string; value: string }[];
  body?: string;
  timeoutMs?: number;
  retries: number;
  follow: boolean;
  fails: boolean;
  insecure: boolean;
  known: boolean;
}

/** Reads the words after `curl`. A call counts as understood only when every one of its options is. */
export function readCurl(args: readonly Arg[]): CurlCall {
  const draft: Draft = { urls: [], headers: [], retries: 0, follow: false, fails: false, insecure: false, known: true };
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index];
    if (arg === undefined) break;
    if (arg.kind !== "literal" || !arg.value.startsWith("-") || arg.value === "-") {
      draft.urls.push(arg);
      continue;
    }
    index += readOption(draft, arg.value, args[index + 1]);
  }
  const { fails, insecure } = draft;
  const http = draft.known && !insecure ? toHttp(draft) : undefined;
  return { fails, insecure, ...(http === undefined ? {} : { http }) };
}

/** Reads one option; answers how many of the following words it takes. */
function readOption(draft: Draft, option: string, next: Arg | undefined): number {
  const joined = /^(--[a-z-]+)=(.*)$/.exec(option);
  const name = joined?.[1] ?? option;
  const meaning = Object.hasOwn(WITH_VALUE, name) ? WITH_VALUE[name] : undefined;
  if (meaning !== undefined) {
    const value: Arg | undefined = joined === null ? next : { kind: "literal", value: joined[2] ?? "" };
    readValue(draft, meaning, value);
    return joined === null ? 1 : 0;
  }
  if (FAIL.has(name)) draft.fails = true;
  else if (name === "-L" || name === "--location") draft.follow = true;
  else if (name === "-k" || name === "--insecure") draft.insecure = true;
  else if (name === "-I" || name === "--head") draft.method = "HEAD";
  else if (/^-[A-Za-z]{2,}$/.test(name)) return readBundle(draft, name, next);
  else if (!QUIET.has(name)) draft.known = false;
  return 0;
}

/** `-fsSL` is `-f -s -S -L`; the last letter may take a value. */
function readBundle(draft: Draft, bundle: string, next: Arg | undefined): number {
  const letters = bundle.slice(1).split("");
  for (const [index, letter] of letters.entries()) {
    const option = `-${letter}`;
    if (!Object.hasOwn(WITH_VALUE, option)) {
      readOption(draft, option, undefined);
      continue;
    }
    const rest = letters.slice(index + 1).join("");
    if (rest === "") return readOption(draft, option, next);
    readOption(draft, option, { kind: "literal", value: rest });
    return 0;
  }
  return 0;
}

function readValue(draft: Draft, meaning: string, value: Arg | undefined): void {
  if (value === undefined) draft.known = false;
  else if (meaning === "url") draft.urls.push(value);
  else if (value.kind !== "literal") draft.known = false;
  else readLiteral(draft, meaning, value.value);
}

function readLiteral(draft: Draft, meaning: string, value: string): void {
  const header = /^([\w-]+):\s*(.+)$/.exec(value);
  if (meaning === "method" && /^[A-Z]{3,10}$/.test(value)) draft.method = value;
  else if (meaning === "header" && header !== null)
    draft.headers.push({ name: header[1] ?? "", value: header[2] ?? "" });
  else if (meaning === "data" && !value.startsWith("@") && draft.body === undefined) draft.body = value;
  else if (meaning === "timeout" && /^\d{1,6}(\.\d+)?$/.test(value)) draft.timeoutMs = Math.round(Number(value) * 1000);
  else if (meaning === "retries" && /^\d{1,3}$/.test(value)) draft.retries = Number(value);
  else if (meaning === "output" && value === "/dev/null") return;
  else if (meaning !== "nothing") draft.known = false;
}

function toHttp(draft: Draft): HttpCommand | undefined {
  const [url, ...others] = draft.urls;
  if (url === undefined || others.length > 0) return undefined;
  const head = url.kind === "literal" ? url.value : url.kind === "template" ? url.parts[0] : "";
  if (typeof head !== "string" || !/^https?:\/\//i.test(head)) return undefined;
  return {
    kind: "http",
    method: draft.method ?? (draft.body === undefined ? "GET" : "POST"),
    url,
    headers: draft.headers,
    ...(draft.body === undefined ? {} : { body: draft.body }),
    ...(draft.timeoutMs === undefined ? {} : { timeoutMs: draft.timeoutMs }),
    retries: draft.retries,
    followRedirects: draft.follow,
    failFlag: draft.fails,
  };
}
