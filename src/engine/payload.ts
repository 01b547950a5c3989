import { SunnyError, messageOf } from "../errors.ts";
import type { Json } from "../json.ts";

/**
 * What will be read back of a value after a restart: workflow code gets this form at once, so that it cannot come to
 * depend on anything the journal does not keep. `undefined` is null.
 *
 * @throws SunnyError with code PAYLOAD_INVALID (not JSON) or PAYLOAD_TOO_LARGE (more than `limit` bytes).
 */
export function asKept(value: unknown, limit: number, what: string): Json {
  let text: string;
  try {
    text = JSON.stringify(value ?? null) ?? "null";
  } catch (error) {
    throw new SunnyError("PAYLOAD_INVALID", `Cannot keep ${what}: it is not JSON (${messageOf(error)})`, {
      cause: error,
    });
  }
  // No character of a string takes more than three bytes of UTF-8, so most values need no count.
  if (text.length * 3 > limit && Buffer.byteLength(text) > limit) {
    throw new SunnyError(
      "PAYLOAD_TOO_LARGE",
      `Cannot keep ${what}: it has ${Buffer.byteLength(text)} bytes, limit is ${limit}`,
      {
        hint: "Keep large data in a file and return its path and digest.",
      },
    );
  }
  return JSON.parse(text) as Json;
}
