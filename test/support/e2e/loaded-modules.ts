/** Preloaded into a process that is looked at: writes the modules that it loaded to the file that `LOADED_MODULES` names. */
import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import process from "node:process";

const loaded = new Set<string>();
registerHooks({
  load(url, context, next) {
    loaded.add(url);
    return next(url, context);
  },
});
process.on("exit", () => {
  const file = process.env["LOADED_MODULES"];
  if (file !== undefined) writeFileSync(file, [...loaded].join("\n"));
});
