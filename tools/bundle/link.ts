import { createRequire, isBuiltin } from "node:module";
import path from "node:path";
import { PACKAGES } from "./emit.ts";

/** Zod's messages in sixty languages, of which Sunny speaks the one that Zod loads by itself (`bin/sources.js`). */
const LANGUAGES = "node_modules/zod/v4/locales/index.cjs";
/** What the compiler makes of an import of what is known only when it is asked for, as a team's configuration. */
const IMPORT_BY_NAME = /Promise\.resolve\(`\$\{(.+)\}`\)\.then\(s => __importStar\(require\(s\)\)\)/g;

/** A module and what its imports lead to, by how they are written; those that are not there are the module system's. */
interface Linked {
  readonly file: string;
  readonly code: string;
  readonly imports: Readonly<Record<string, number>>;
}

/** All that `entry` may load, at once or when it is asked for, the entry first. @throws when an import leads nowhere */
export function linkModules(modules: ReadonlyMap<string, string>, root: string, entry: string): readonly Linked[] {
  const packages = createRequire(path.join(root, "package.json"));
  const order = [entry];
  const places = new Map([[entry, 0]]);
  const linked: Linked[] = [];
  for (const file of order) {
    const code = file === LANGUAGES ? "" : (modules.get(file) as string);
    const imports: Record<string, number> = {};
    for (const [, specifier = ""] of code.matchAll(/\brequire\(["']([^"'\\]+)["']\)/g)) {
      const target = targetOf(specifier, file, packages, root);
      if (target === undefined) continue;
      if (!modules.has(target)) throw new Error(`${file} imports ${specifier}, which is not there`);
      if (!places.has(target)) {
        places.set(target, order.length);
        order.push(target);
      }
      imports[specifier] = places.get(target) as number;
    }
    linked.push({ file, code, imports });
  }
  return linked;
}

/** The file that an import leads to; undefined when it stays the module system's. */
function targetOf(specifier: string, from: string, packages: NodeJS.Require, root: string): string | undefined {
  if (isBuiltin(specifier)) return undefined;
  if (!specifier.startsWith(".")) {
    return PACKAGES.includes(specifier) ? path.relative(root, packages.resolve(specifier)) : undefined;
  }
  return path.join(path.dirname(from), specifier);
}

/** Gives CommonJS what the compiler expects of it, and each module its own name. See `bin/bundled.js` for who calls it. */
const HEAD = String.raw`(function (system, root, urlOf) {
const isModule = (mod) => mod.__esModule || mod[Symbol.toStringTag] === "Module";
const __importDefault = (mod) => (isModule(mod) ? mod : { default: mod });
const __importStar = (mod) => (isModule(mod) ? mod : Object.assign(Object.create(mod), { default: mod }));
const __exportStar = (mod, exports) => {
  for (const name of Object.keys(mod)) {
    if (name !== "default" && !Object.hasOwn(exports, name)) __createBinding(exports, mod, name);
  }
};
const __createBinding = (to, from, name, as = name) =>
  Object.defineProperty(to, as, { enumerable: true, get: () => from[name] });
const made = new Map();
function load(at) {
  const known = made.get(at);
  if (known !== undefined) return known.exports;
  const [file, imports, run] = modules[at];
  const module = { exports: {} };
  made.set(at, module);
  const place = root + "/" + file;
  const importMeta = { filename: place, dirname: place.slice(0, place.lastIndexOf("/")), url: urlOf(place), main: false };
  const require = (name) => {
    const to = imports[name];
    if (to !== undefined) return load(to);
    return system(name);
  };
  run(module.exports, require, module, importMeta);
  return module.exports;
}
const modules = [
`;
const TAIL = `];
return { entry: load(0), loaded: () => made.keys() };
})`;

/** The script: a function that makes the entry's exports. */
export function writeScript(linked: readonly Linked[]): string {
  const parts = linked.map(({ file, code, imports }) => {
    const text = code.replaceAll("import.meta", "importMeta").replaceAll(IMPORT_BY_NAME, "import($1)");
    return `[${JSON.stringify(file)}, ${JSON.stringify(imports)}, function (exports, require, module, importMeta) {\n${text}\n}],\n`;
  });
  return `${HEAD}${parts.join("")}${TAIL}`;
}
