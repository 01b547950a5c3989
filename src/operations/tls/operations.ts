import type { Operation } from "../../operation.ts";
import type { TlsPorts } from "./ports.ts";
import { renewSslOperation } from "./renew-ssl.ts";
import { verifySslOperation } from "./verify-ssl.ts";

/** What a step can do with certificates: look at them, and renew them. */
export function tlsOperations(ports: TlsPorts): Operation[] {
  return [verifySslOperation(ports), renewSslOperation(ports)];
}
