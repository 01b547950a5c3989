/**
 * For people: why load balancers could not be read, one line each, and whose word the servers are shown by then; empty
 * when all were read.
 */
export function unreadText(unread: readonly string[], read: readonly string[]): string[] {
  if (unread.length === 0) return [];
  const which = read.length === 0 && unread.length === 1 ? "the load balancer" : "a load balancer";
  const lines = unread.map((why) => `${which} cannot be read: ${why}`);
  return read.length === 0 ? lines : [...lines, `the servers are shown as ${read.join(", ")} has them`];
}
