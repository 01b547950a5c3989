import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";

/**
 * Refuses early when another run occupies the environment; the engine refuses again when the run comes to its first change.
 * @throws ENVIRONMENT_OCCUPIED
 */
export function requireFree(sunny: Sunny, except: string | undefined): void {
  const occupant = occupantOf(sunny);
  if (occupant === null || occupant === except) return;
  const state = sunny.journal.read.run(occupant)?.state ?? "unknown";
  const ends =
    state === "held"
      ? `\`sunny resolve ${occupant}\` answers it.`
      : `\`sunny resume ${occupant}\`, \`sunny abort ${occupant}\` or \`sunny rollback\` end it.`;
  throw new SunnyError(
    "ENVIRONMENT_OCCUPIED",
    `Nothing else may change ${sunny.system.environment}: ${occupant} occupies it and is ${state}`,
    {
      hint: `\`sunny status ${occupant}\` shows it; ${ends}`,
      details: { occupant },
    },
  );
}

/** The run that occupies the environment; null when it is free. */
export function occupantOf(sunny: Sunny): string | null {
  return sunny.journal.read.environment(sunny.system.environment)?.occupiedBy ?? null;
}
