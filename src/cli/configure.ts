import type { Command } from "commander";
import type { CliContext } from "./context.ts";

/** A verb configures its command and sets the action; loaded only when it is called. */
export type Configure = (command: Command, context: CliContext) => void;
