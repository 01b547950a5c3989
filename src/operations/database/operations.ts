import type { Clock } from "../../clock.ts";
import type { Operation } from "../../operation.ts";
import { backupOperation } from "./backup.ts";
import { checkConnectionOperation, resetConnectionsOperation } from "./connections.ts";
import { migrateOperation } from "./migrate.ts";
import type { DatabasePorts } from "./ports.ts";
import { rollbackDatabaseOperation } from "./rollback-db.ts";
import { verifyBackupsOperation } from "./verify-backups.ts";
import { verifyMigrationsOperation } from "./verify-migrations.ts";

/** Everything that a step can do with the database: backup, migrations and their way back, connections. */
export function databaseOperations(ports: DatabasePorts & { readonly clock: Clock }): Operation[] {
  return [
    backupOperation(ports),
    verifyBackupsOperation(ports),
    migrateOperation(ports),
    verifyMigrationsOperation(ports),
    rollbackDatabaseOperation(ports),
    checkConnectionOperation(ports),
    resetConnectionsOperation(ports),
  ];
}
