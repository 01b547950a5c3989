import type { Operation } from "../../operation.ts";
import { analyzeMemoryOperation } from "./analyze-memory.ts";
import { monitorDeploymentOperation } from "./monitor-deployment.ts";
import type { CheckPorts } from "./ports.ts";
import { readinessOperation } from "./verify-production-readiness.ts";
import { verifyMonitoringOperation } from "./verify-monitoring.ts";

/** What a step can check of a running system: readiness, monitoring, thresholds, memory. */
export function checkOperations(ports: CheckPorts): Operation[] {
  return [
    readinessOperation(ports),
    monitorDeploymentOperation(ports),
    verifyMonitoringOperation(ports),
    analyzeMemoryOperation(ports),
  ];
}
