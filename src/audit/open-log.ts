import type { AuditLog, AuditLogOptions } from "./log.ts";
import { SqliteAuditLog, unwritable } from "./sqlite-log.ts";

/**
 * Opens the audit log, compares rows, checkpoint and second copy, and publishes what a crash left unpublished.
 * Rows are the truth for what was not yet published; what was, must match. Reads at most a few hundred hashes.
 * @throws AUDIT_LOST_TAIL, AUDIT_ROLLED_BACK, AUDIT_FORKED, AUDIT_CORRUPT, AUDIT_COPY_MISSING, AUDIT_UNWRITABLE, NOTE_*
 */
export function openAuditLog(options: AuditLogOptions): AuditLog {
  try {
    return new SqliteAuditLog(options);
  } catch (error) {
    throw unwritable(error);
  }
}
