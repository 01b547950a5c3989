// All modules of Sunny as one script (`tools/bundle.ts`), with the code that V8 made of it in an earlier call of the same verb:
// finding, reading and compiling some hundred modules takes longer than what most verbs do. The sources stay what counts:
// the script is used only while each of them is, by size and times, the file that it was made of.
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import vm from "node:vm";
import { crc32 } from "node:zlib";

/** So many calls of a verb add to its code whatever they compiled; later ones only when they load a module more. */
const FIRST_CALLS = 5;

/**
 * Sunny's entry from the script of a clone; undefined when there is none that may be used. `keep` is called when the
 * call is over, and leaves the compiled code for the next one. `folder` is where the script lies.
 */
export function openBundle(root, args, folder = path.join(root, "node_modules/.cache/bundle")) {
  try {
    const { hash, crc, verbs, files } = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8"));
    if (!files.every((file) => isSame(root, file))) return undefined;
    const file = path.join(folder, hash, "sunny.js");
    const source = readFileSync(file);
    if (crc32(source) !== crc) return undefined;
    const code = path.join(folder, hash, `${args.find((arg) => verbs.includes(arg)) ?? "help"}.code`);
    const known = knownCode(code);
    const script = new vm.Script(source.toString(), {
      filename: file,
      cachedData: known?.data,
      importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
    const system = createRequire(path.join(root, "package.json"));
    const { entry, loaded } = script.runInThisContext()(system, root, (place) => pathToFileURL(place).href);
    const keep = () => {
      const { calls, modules: before } = script.cachedDataRejected === false ? known : { calls: 0, modules: [] };
      const modules = [...new Set([...before, ...loaded()])];
      // What was known and not called this time is still part of the script, and so of its code.
      if (calls < FIRST_CALLS || modules.length > before.length) write(code, script, { calls: calls + 1, modules });
    };
    return { entry, keep };
  } catch {
    return undefined;
  }
}

function isSame(root, [file, size, mtimeMs, ctimeMs]) {
  const now = statSync(`${root}/${file}`, { throwIfNoEntry: false });
  return now !== undefined && now.size === size && now.mtimeMs === mtimeMs && now.ctimeMs === ctimeMs;
}

/** The code of a verb, how many calls left it, and the numbers of the modules that they loaded. */
function knownCode(file) {
  try {
    const all = readFileSync(file);
    const end = all.length - 4;
    const size = all.readUInt32LE(end);
    const data = all.subarray(0, end - size);
    const { crc, ...known } = JSON.parse(all.toString("latin1", end - size, end));
    // V8 looks at the header alone: a byte that flipped on the disk would be run.
    return crc32(data) === crc ? { data, ...known } : undefined;
  } catch {
    return undefined;
  }
}

/** What cannot be kept is compiled again. */
function write(file, script, known) {
  const data = script.createCachedData();
  const end = Buffer.from(`${JSON.stringify({ crc: crc32(data), ...known })}    `);
  end.writeUInt32LE(end.length - 4, end.length - 4);
  const part = `${file}.${globalThis.process.pid}`;
  try {
    writeFileSync(part, Buffer.concat([data, end]));
    renameSync(part, file);
  } catch {}
}
