// Plain JavaScript, since the first file cannot come from the cache that it turns on: were it TypeScript, the compiler
// would be loaded for it at every start. The cache lies in the clone, where nobody else can put code into it.
import { enableCompileCache, registerHooks } from "node:module";
import path from "node:path";

enableCompileCache(path.join(import.meta.dirname, "..", "node_modules", ".cache", "compile"));
// Zod imports its messages in sixty languages, each a module, and Sunny speaks English, which Zod loads by itself.
const languages = { url: "data:text/javascript,", format: "module", shortCircuit: true };
const own = ["../src/", "../bin/"].map((folder) => new URL(folder, import.meta.url).href);
registerHooks({
  resolve(specifier, context, next) {
    const { parentURL } = context;
    // Sunny's own imports name their file and are all of one kind. Node.js would look for both, which for some hundred
    // modules takes as long as running them. A configuration's imports are its team's, of whatever kind.
    if (specifier.startsWith(".") && specifier.endsWith(".ts") && own.some((folder) => parentURL?.startsWith(folder))) {
      return { url: new URL(specifier, parentURL).href, format: "module-typescript", shortCircuit: true };
    }
    return specifier === "../locales/index.js" && parentURL?.includes("/node_modules/zod/")
      ? languages
      : next(specifier, context);
  },
});
await import("./sunny.ts");
