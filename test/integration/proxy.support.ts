import { webcrypto } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { Agent, request } from "node:https";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProxy, stopProxy } from "../../src/adapters/proxy/lifecycle.ts";
import type { StartedProxy } from "../../src/adapters/proxy/lifecycle.ts";
import type { ProxyConfigInput } from "../../src/adapters/proxy/config.ts";
import { systemClock } from "../../src/clock.ts";

/** Writes a fresh self-signed certificate for `localhost`. */
export async function writeCertificate(
  dir: string,
  commonName: string,
): Promise<{ certFile: string; keyFile: string; cert: string }> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto as never);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as {
    publicKey: never;
    privateKey: never;
  };
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    notBefore: new Date("2020-01-01"),
    notAfter: new Date("2040-01-01"),
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "localhost" }])],
  });
  const cert = certificate.toString("pem");
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  const certFile = join(dir, "cert.pem");
  const keyFile = join(dir, "key.pem");
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  return { certFile, keyFile, cert };
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
  readonly fingerprint: string;
}

export interface ProxyWorld {
  readonly dir: string;
  readonly socket: string;
  readonly config: ProxyConfigInput;
  started: StartedProxy;
  readonly upstreams: Map<string, Server>;
  get(
    path: string,
    options?: { method?: string; body?: string; agent?: Agent; headers?: Record<string, string> },
  ): Promise<Answer>;
  close(): Promise<void>;
}

type Handler = (request: IncomingMessage, response: ServerResponse, name: string) => void;

/** A proxy in a process of its own, in front of services in this one. */
export async function proxyWorld(names: readonly string[], handler: Handler): Promise<ProxyWorld> {
  const dir = mkdtempSync(join(tmpdir(), "sunny-proxy-"));
  const upstreams = new Map<string, Server>();
  const servers = [];
  for (const name of names) {
    const server = createServer((request, response) => {
      if (request.url === "/health") response.end("{}");
      else handler(request, response, name);
    });
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    upstreams.set(name, server);
    servers.push({ name, port: (server.address() as AddressInfo).port });
  }
  const { certFile, keyFile } = await writeCertificate(dir, "first");
  mkdirSync(join(dir, "p"));
  const config: ProxyConfigInput = {
    listen: { port: 0 },
    certFile,
    keyFile,
    socket: join(dir, "p", "s"),
    stateFile: join(dir, "p", "state.json"),
    logFile: join(dir, "p", "log"),
    servers,
    denyPaths: ["/metrics"],
    health: { intervalMs: 50, timeoutMs: 10_000, rise: 2, fall: 2 },
  };
  const started = await startProxy(config, systemClock);
  const agents = new Agent({ keepAlive: true, rejectUnauthorized: false });
  const world: ProxyWorld = {
    dir,
    socket: config.socket,
    config,
    started,
    upstreams,
    get: (path, { method = "GET", body, agent = agents, headers = {} } = {}) =>
      new Promise((resolve, reject) => {
        const call = request({
          host: "127.0.0.1",
          port: world.started.port,
          path,
          method,
          agent,
          headers,
          rejectUnauthorized: false,
        });
        let fingerprint = "";
        call.once("socket", (socket) => {
          const note = (): void => {
            fingerprint =
              (socket as never as { getPeerCertificate(): { fingerprint256?: string } }).getPeerCertificate()
                .fingerprint256 ?? "";
          };
          if (socket.connecting) socket.once("secureConnect", note);
          else note();
        });
        call.once("error", reject);
        call.once("response", (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => (text += chunk));
          response.once("error", reject);
          response.once("end", () => {
            const { statusCode: status = 0, headers } = response;
            resolve({ status, body: text, headers, fingerprint: fingerprint.replaceAll(":", "").toLowerCase() });
          });
        });
        call.end(body);
      }),
    close: async () => {
      agents.destroy();
      await stopProxy(config.socket, systemClock);
      for (const server of upstreams.values()) {
        server.closeAllConnections();
        server.close();
      }
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return world;
}

/** Calls a plain HTTP path on a Unix socket, past the client of the adapter. */
export function onSocket(socketPath: string, path: string, body: unknown): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = plainRequest({ socketPath, path, method: "POST" }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.once("error", reject);
    call.end(JSON.stringify(body));
  });
}
