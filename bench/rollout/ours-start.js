// Starts Sunny's part of the benchmark as `bin/start.js` starts Sunny: `ours-start.js FOLDER-OF-THE-SCRIPT ORDER.json`.
import path from "node:path";
import { openBundle } from "../../bin/bundled.js";

const { argv } = globalThis.process;
const [folder, ...args] = argv.slice(2);
const bundle = openBundle(path.join(import.meta.dirname, "..", ".."), args, folder);
if (bundle === undefined) throw new Error(`no script in ${folder}, or it is not of these sources`);
await bundle.entry.run(args);
bundle.keep();
