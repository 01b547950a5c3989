import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";

/** Packages that nearly every verb needs, and which become part of the script. All others are loaded as they come. */
export const PACKAGES: readonly string[] = [
  "zod",
  "commander",
  "unbash",
  "@lezer/common",
  "@lezer/highlight",
  "@lezer/markdown",
];
/** Where those are that come as ES modules only. */
const MODULES = ["src/**/*.ts", "node_modules/{commander,unbash}/**/*.js"];

/**
 * All of Sunny and of `PACKAGES` as CommonJS: what the TypeScript compiler writes of a module, by the module's path in the
 * project, and of `others` by their paths. Types are not checked: what is written is what the sources say, wrong or not.
 * `scratch` is an empty folder.
 *
 * @throws when there is no compiler, a module cannot be read, or what was written of one cannot be trusted
 */
export function emitModules(
  root: string,
  scratch: string,
  others: readonly string[] = [],
): ReadonlyMap<string, string> {
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  if (!existsSync(compiler)) throw new Error("the TypeScript compiler is not installed");
  const files = [...new Set([...globSync(MODULES, { cwd: root }), ...others])].filter(
    (file) => !/\.test\.ts$|\.d\.ts$/.test(file),
  );
  const copies = path.join(scratch, "sources");
  // What a package calls an ES module, the compiler leaves as it is; so it reads copies without their packages.
  const copyOf = (file: string): string => path.join(copies, file.replace(/^node_modules\//, "packages/"));
  for (const file of files) cpSync(path.join(root, file), copyOf(file));
  const written = path.join(scratch, "written");
  const compilerOptions = {
    target: "esnext",
    module: "commonjs",
    moduleResolution: "bundler",
    rootDir: copies,
    outDir: written,
    allowJs: true,
    noCheck: true,
    noResolve: true,
    lib: ["es5"],
    types: [],
    noEmitHelpers: true,
    removeComments: true,
  };
  const config = path.join(scratch, "tsconfig.json");
  writeFileSync(config, JSON.stringify({ compilerOptions, files: files.map(copyOf) }));
  execFileSync(process.execPath, [compiler, "-p", config], { stdio: ["ignore", "pipe", "inherit"] });
  const emitted = new Map<string, string>();
  for (const file of files) {
    const code = readFileSync(copyOf(file).replace(copies, written).replace(/\.ts$/, ".js"), "utf8");
    const inner = /^[ \t]+exports\.\w+ = \w+;$/m.exec(code);
    // The compiler takes a variable in a function for the exported one of the same name, where names are exported in a list.
    if (inner !== null) throw new Error(`the compiler exports from within a function of ${file}: ${inner[0].trim()}`);
    emitted.set(file, code);
  }
  for (const file of globSync(
    PACKAGES.map((name) => `node_modules/${name}/**/*.cjs`),
    { cwd: root },
  )) {
    emitted.set(file, readFileSync(path.join(root, file), "utf8"));
  }
  return emitted;
}
