/** Encodings within encodings are looked through this deep; a service that decodes more often than that is alone with it. */
const DECODINGS = 3;

/**
 * Whether a request's target is one of `denied` or below it, however it is written: with escapes, dots, doubled or
 * trailing slashes, parameters, another case, a query, or with the host in front (RFC 9112, 3.2).
 */
export function isDenied(denied: readonly string[], target: string | undefined): boolean {
  if (denied.length === 0) return false;
  const path = canonicalPath(target ?? "/");
  return denied.some((one) => {
    const own = canonicalPath(one);
    return path === own || path.startsWith(`${own}/`);
  });
}

function canonicalPath(target: string): string {
  let path = target;
  for (let i = 0; i < DECODINGS; i++) {
    const next = resolved(path);
    if (next === path) break;
    path = next;
  }
  return path;
}

/** Once decoded, and without what makes no difference to a service. */
function resolved(target: string): string {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\//i.test(target) ? target : `http://proxy${target}`;
  let { pathname } = URL.parse(absolute) ?? { pathname: target };
  try {
    pathname = decodeURIComponent(pathname);
  } catch {
    // Not decodable: no service finds its own path in it either.
  }
  const path = pathname
    .split(/[/\\]/)
    .map((segment) => segment.replace(/;.*$/s, ""))
    .filter((segment) => segment !== "")
    .join("/")
    .toLowerCase();
  return `/${path}`;
}
