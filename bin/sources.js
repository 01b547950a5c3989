// Starts Sunny from its sources, module by module.
import { registerHooks } from "node:module";

const url = (file) => new URL(file, import.meta.url).href;
const as = (format, file) => ({ url: file, format, shortCircuit: true });
// Zod imports its messages in sixty languages, each a module, and Sunny speaks English, which Zod loads by itself.
const languages = as("module", "data:text/javascript,");
// What Node.js makes of an import of `node:process` reads every property, and so opens standard input, which few verbs read.
const process = as("module", url("./process.js"));
const own = [url("../src/"), url("../bin/")];
/** Packages whose modules are all of one kind and name each other by file. */
const packages = ["zod", "commander", "unbash"].map((name) => url(`../node_modules/${name}/`));
/** What Sunny's own imports of packages lead to. */
const found = new Map();

// Node.js looks for each import on the disk: for its file, the file's folder and the kind of module. For some hundred
// modules that takes as long as running them. What these paths say is known beforehand; everything else is left to
// Node.js, as are a configuration's imports, which are its team's, of whatever kind.
registerHooks({
  resolve(specifier, context, next) {
    const { parentURL = "" } = context;
    const isOwn = own.some((folder) => parentURL.startsWith(folder));
    if (!isOwn && !packages.some((folder) => parentURL.startsWith(folder))) return next(specifier, context);
    if (specifier === "node:process") return process;
    if (specifier.startsWith("node:")) return as("builtin", specifier);
    if (specifier.startsWith(".")) {
      if (!isOwn && specifier === "../locales/index.js") return languages;
      if (isOwn && specifier.endsWith(".ts")) return as("module-typescript", joined(parentURL, specifier));
      if (!isOwn && specifier.endsWith(".js")) return as("module", joined(parentURL, specifier));
    }
    if (!isOwn) return next(specifier, context);
    if (!found.has(specifier)) found.set(specifier, { ...next(specifier, context), shortCircuit: true });
    return found.get(specifier);
  },
});
await import("./sunny.ts");

/** What `new URL` would say of a path that begins with dots, which takes it ten times as long. */
function joined(parent, relative) {
  let folder = parent.slice(0, parent.lastIndexOf("/"));
  let at = relative.startsWith("./") ? 2 : 0;
  for (; relative.startsWith("../", at); at += 3) folder = folder.slice(0, folder.lastIndexOf("/"));
  return `${folder}/${relative.slice(at)}`;
}
