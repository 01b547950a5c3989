/** The version of Sunny; part of every plan's digest. Kept equal to package.json by test/tidy.test.ts. */
export const VERSION = "0.1.0";
