/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a request with this method only reads. */
export function isSafeMethod(method: string): boolean {
  return SAFE.has(method);
}
