/**
 * Routes by method and path. `pattern` is the path with `:name` for one segment, and what metrics and logs show instead
 * of the path itself; a `probe` is answered for machines that watch and counted apart from what customers ask.
 */
export function createRouter(routes) {
  const compiled = routes.map((route) => ({ ...route, expression: toExpression(route.pattern) }));

  /** The route and its parameters; `allowed` lists the methods when only the method is wrong. */
  return function match(method, path) {
    const allowed = [];
    for (const route of compiled) {
      const groups = route.expression.exec(path)?.groups;
      if (groups === undefined && !route.expression.test(path)) continue;
      if (route.method === method) return { route, params: groups ?? {} };
      allowed.push(route.method);
    }
    return { route: undefined, params: {}, allowed };
  };
}

function toExpression(pattern) {
  return new RegExp(`^${pattern.replaceAll(/:([a-z]+)/g, "(?<$1>[A-Za-z0-9_-]{1,64})")}$`);
}
