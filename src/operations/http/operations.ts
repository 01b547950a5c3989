import { z } from "zod";
import {
  RetryableError,
  TerminalError,
  type DurableContext,
  type StepOptions,
  type StepScope,
} from "../../engine/context.ts";
import { defineOperation, type Operation, type OperationCall, type OperationReport } from "../../operation.ts";
import { scrubber } from "../../secret.ts";
import type { System } from "../../system/schema.ts";
import { bad, concluded, durationText, good } from "../checks/findings.ts";
import { isSafeMethod } from "./method.ts";
import type { HttpAnswer, HttpPorts } from "./ports.ts";

const TIMEOUT_MS = 30_000;
/** A chain that is longer is a circle. */
const REDIRECT_LIMIT = 10;
/** Statuses after which curl's `--retry` tries again. */
const TRANSIENT = new Set([408, 429, 500, 502, 503, 504]);

const address = z.url({ protocol: /^https?$/ });

const args = z
  .strictObject({
    /** By hand: the address. */
    _: z.array(address).max(1).default([]),
    url: address.optional(),
    method: z
      .string()
      .regex(/^[A-Z]+$/)
      .default("GET"),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.string().optional(),
    timeoutMs: z.int().min(1).max(600_000).optional(),
    retries: z.int().min(0).max(20).default(0),
    followRedirects: z.boolean().default(false),
  })
  .transform(({ _: [given], url = given, ...rest }, context) => {
    if (url !== undefined && (given === undefined || given === url)) return { ...rest, url, _: [] as string[] };
    context.addIssue({
      code: "custom",
      message: "needs one address: `sunny run http-check -- https://api.example.com/health`",
    });
    return z.NEVER;
  });
type Args = z.output<typeof args>;

/** What an answer was, as it is kept. */
type Outcome = {
  readonly url: string;
  readonly status: number;
  readonly latencyMs: number;
  readonly reason: string;
  readonly location: string | null;
};

/** `http-check`: one HTTP request, which fails on an error status, on a certificate that is not right, and when it is late. */
export function httpOperations(ports: HttpPorts): Operation[] {
  return [
    defineOperation<Args>({
      name: "http-check",
      script: null,
      title: "Makes an HTTP request and fails on an error status",
      args,
      changes: [],
      changesWith: ({ method }) => (isSafeMethod(method) ? [] : ["unknown"]),
      deadlineMs: 900_000,
      run: (ctx, call) => check(ports, ctx, call),
      wayBack: { kind: "none", why: "Sunny does not know what the request changes, nor how to take it back" },
    }),
  ];
}

async function check(ports: HttpPorts, ctx: DurableContext, call: OperationCall<Args>): Promise<OperationReport> {
  const { method, retries, timeoutMs = TIMEOUT_MS } = call.args;
  const safe = isSafeMethod(method);
  const outcome = await ctx.step<Outcome>(`${call.stepName}/request`, (scope) => request(ports, call, scope, retries), {
    disposition: safe ? { kind: "idempotent", readOnly: true } : sentByHand(call.args),
    deadlineMs: timeoutMs * (call.args.followRedirects ? REDIRECT_LIMIT + 1 : 1) + 5_000,
    // Whatever it changes, once is enough: a request that is not safe is never repeated by itself.
    retry: { maxAttempts: safe ? retries + 1 : 1, initialMs: 1_000 },
  });
  const subject = `${method} ${outcome.url}`;
  const figures = `${outcome.status} in ${durationText(outcome.latencyMs)}`;
  const redirect = outcome.location === null ? "" : `, redirects to ${outcome.location}, not followed`;
  const finding =
    outcome.status >= 400
      ? bad(subject, `answers ${figures}${outcome.reason === "" ? "" : `: ${outcome.reason}`}`)
      : good(subject, `answers ${figures}${redirect}`);
  const { url, status, latencyMs } = outcome;
  return concluded([finding], `${subject} answers ${figures}`, { url, status, latencyMs });
}

function sentByHand({ method, url }: Args): StepOptions<Outcome>["disposition"] {
  const whenDone = { url, status: 200, latencyMs: 0, reason: "a person says that it was done", location: null };
  return { kind: "manual", intended: `${method} ${url}`, whenDone };
}

async function request(
  ports: HttpPorts,
  call: OperationCall<Args>,
  scope: StepScope,
  retries: number,
): Promise<Outcome> {
  const { args, system } = call;
  let { url, method, headers, body } = args;
  for (let hop = 0; hop <= REDIRECT_LIMIT; hop++) {
    const answer = await ports.http.request(
      {
        url,
        method,
        headers,
        timeoutMs: args.timeoutMs ?? TIMEOUT_MS,
        ...route(system, url),
        ...(body === undefined ? {} : { body }),
      },
      scope.signal,
    );
    scope.log(
      `${method} ${url} → ${answer.status} in ${Math.round(answer.latencyMs)} ms\n${answer.body.slice(0, 2_000)}\n`,
    );
    const location = answer.status >= 300 && answer.status < 400 ? answer.headers["location"] : undefined;
    if (location === undefined || !args.followRedirects) {
      if (TRANSIENT.has(answer.status) && retries > 0 && scope.fence.attempt <= retries && isSafeMethod(args.method)) {
        throw new RetryableError("HTTP_UNREACHABLE", `${method} ${url} answers ${answer.status}`);
      }
      const { status, latencyMs } = answer;
      return { url, status, latencyMs, reason: status >= 400 ? reasonIn(answer) : "", location: location ?? null };
    }
    const next = new URL(location, url);
    if (new URL(url).origin !== next.origin) headers = withoutCredentials(headers);
    // As browsers and curl do: only 307 and 308 keep method and body.
    if (![307, 308].includes(answer.status) && method !== "HEAD") [method, body] = ["GET", undefined];
    url = next.href;
  }
  throw new TerminalError("CHECK_FAILED", `${args.url} redirects more than ${REDIRECT_LIMIT} times`);
}

/** How an address is reached by the configuration's `endpoints`, as curl's `--resolve` does. */
export function route(system: Pick<System, "endpoints">, url: string): { connect?: string; caFile?: string } {
  const { origin } = new URL(url);
  const found = Object.entries(system.endpoints).find(([key]) => new URL(key).origin === origin)?.[1];
  if (found === undefined) return {};
  return { connect: found.connect, ...(found.caFile === undefined ? {} : { caFile: found.caFile }) };
}

function reasonIn({ body }: HttpAnswer): string {
  return scrubber([])(body.replaceAll(/\s+/g, " ").trim()).slice(0, 200);
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)));
}
