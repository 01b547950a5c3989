/** A request whose answer is judged by its status. */
export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** `ip:port` that is connected to instead of what the name resolves to; name and certificate stay those of the URL. */
  readonly connect?: string;
  /** File of trusted authorities, PEM; without it the system's own decide. */
  readonly caFile?: string;
  /** The whole request, milliseconds. */
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names; several values are joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** The first 64 KiB, as UTF-8. */
  readonly body: string;
  /** From the start of the connection to the end of the answer. */
  readonly latencyMs: number;
}

export interface HttpClient {
  /** One request over a connection of its own; redirects are answers. @throws RetryableError HTTP_UNREACHABLE when there is no answer, with the reason */
  request(request: HttpRequest, signal?: AbortSignal): Promise<HttpAnswer>;
}

/** What the HTTP check needs of the world. */
export interface HttpPorts {
  readonly http: HttpClient;
}
