import path from "node:path";

/** What people read of a database that is an SQLite file. */
export function databaseName(file: string): string {
  return `SQLite database ${path.basename(file)}`;
}

/** What people read of the backups of such a file. */
export function backupsName(file: string, directory: string): string {
  return `backups of ${path.basename(file)} in ${directory}`;
}
