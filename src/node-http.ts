import process from "node:process";

/*
 * Node's HTTP and TLS modules without their ES module facade, which evaluates every export, WebSocket and the root
 * certificates among them, and so loads all of Undici and decodes every root: 25 ms and more that each command would pay.
 */

/** `node:http`, loaded when it is first used. */
export const nodeHttp = (): typeof import("node:http") => process.getBuiltinModule("node:http");

/** `node:https`, loaded when it is first used. */
export const nodeHttps = (): typeof import("node:https") => process.getBuiltinModule("node:https");

/** `node:tls`, loaded when it is first used. */
export const nodeTls = (): typeof import("node:tls") => process.getBuiltinModule("node:tls");
