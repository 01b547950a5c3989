/** Services for more hosts than a machine has memory for processes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import process from "node:process";
import { closeAll, listenOn } from "./ports.ts";

/** One process that answers for the services of all hosts, each a file on its host that says what runs. */
export interface OneServer {
  /** The service of that root is what answers at the address from now on. */
  serve(root: string, address: string): void;
  close(): Promise<void>;
}

const SCRIPT = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
case $1 in
  start) cp current/VERSION shared/runs.new && mv shared/runs.new shared/runs ;;
  stop) rm -f shared/runs ;;
  status) [ -e shared/runs ] && echo ${process.pid} ;;
esac
`;

/** Listens on a port of all addresses. @throws Error EADDRINUSE */
export async function oneServer(addresses: readonly string[], port: number): Promise<OneServer> {
  const roots = new Map<string, string>();
  const servers = await listenOn(addresses, port, (address) =>
    createServer((_, response) => {
      const file = path.join(roots.get(address) ?? "", "shared", "runs");
      if (existsSync(file)) response.end(JSON.stringify({ version: readFileSync(file, "utf8").trim() }));
      else response.destroy();
    }),
  );
  return {
    serve(root, address) {
      mkdirSync(path.join(root, "shared", "log"), { recursive: true });
      writeFileSync(path.join(root, "service"), SCRIPT, { mode: 0o755 });
      roots.set(address, root);
    },
    close: () => closeAll(servers),
  };
}
