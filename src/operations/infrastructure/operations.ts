import type { Operation } from "../../operation.ts";
import type { InfrastructurePorts } from "./ports.ts";
import { terraformApplyOperation, terraformPlanOperation } from "./terraform.ts";
import { verifyInfrastructureOperation } from "./verify-infrastructure.ts";

/** What a step can do with the infrastructure: check it, plan and apply its changes. */
export function infrastructureOperations(ports: InfrastructurePorts): Operation[] {
  return [verifyInfrastructureOperation(ports), terraformPlanOperation(ports), terraformApplyOperation(ports)];
}
