import { parseVerifier, type NoteVerifier } from "../audit/note.ts";
import { messageOf, SunnyError } from "../errors.ts";
import type { System } from "../system/schema.ts";

/** The keys that releases are verified with. @throws CONFIG_INVALID when one is malformed */
export function trustedVerifiers({ releases }: Pick<System, "releases">): NoteVerifier[] {
  return releases.trustedKeys.map((key, index) => {
    try {
      return parseVerifier(key);
    } catch (error) {
      const message = `The configuration is wrong at releases.trustedKeys[${index}]: ${messageOf(error)}`;
      const hint = "Write the one line of the .pub file that `sunny release keygen` made.";
      throw new SunnyError("CONFIG_INVALID", message, { hint, cause: error });
    }
  });
}
