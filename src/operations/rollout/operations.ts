import type { Operation } from "../../operation.ts";
import { adopt } from "./adopt.ts";
import { deployProduction } from "./deploy.ts";
import { gradualRollback } from "./gradual-rollback.ts";
import type { RolloutPorts } from "./ports.ts";
import { restartService } from "./restart-service.ts";
import { rollback } from "./rollback.ts";
import { setTraffic } from "./set-traffic.ts";
import { verifyRollback } from "./verify-rollback.ts";

/** The operations on hosts and traffic. */
export function rolloutOperations(ports: RolloutPorts): Operation[] {
  return [
    deployProduction(ports),
    rollback(ports),
    gradualRollback(ports),
    verifyRollback(ports),
    restartService(ports),
    setTraffic(ports),
    adopt(ports),
  ];
}
