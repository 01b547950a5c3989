import type { ErrorCode } from "../error-codes.ts";
import { SunnyError } from "../errors.ts";

const REMEDIES = {
  RELEASE_ARCHIVE_ALTERED:
    "Fetch archive and manifest again from where they were packed; if they still differ, find out who changed them.",
  RELEASE_ARCHIVE_MALFORMED: "Pack the release again with `sunny release pack`: no other program's archives are taken.",
  RELEASE_FILE_ALTERED: "Pack the release again: archive and manifest do not belong together.",
  RELEASE_FILE_MISSING: "Pack the release again: archive and manifest do not belong together.",
  RELEASE_FILE_UNLISTED: "Pack the release again: only files that the signed manifest lists are deployed.",
  RELEASE_LINK_ESCAPES: "Replace the link by the file, or let it lead to a file of the same release directly.",
  RELEASE_MANIFEST_INVALID: "Pack the release again with this version of Sunny.",
  RELEASE_PATH_ABSOLUTE: "Paths in a release are relative to its root: pack it again from its own directory.",
  RELEASE_PATH_DUPLICATE: "Rename or remove one of the two: hosts may not tell them apart.",
  RELEASE_PATH_ESCAPES: "Paths in a release stay below its root: pack it again from its own directory.",
  RELEASE_PATH_INVALID:
    "Rename the file: letters, digits, dots, dashes and the like, no control characters or backslashes.",
  RELEASE_SPECIAL_FILE: "A release holds files and symbolic links only: remove the device, socket, pipe or hard link.",
  RELEASE_TOO_LARGE: "Raise the limit if the release is meant to be that large.",
} as const satisfies Partial<Record<ErrorCode, string>>;

export type RefusalCode = keyof typeof REMEDIES;

/** The refusal of a release, with the remedy that belongs to the code. */
export function refuse(
  code: RefusalCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): SunnyError {
  return new SunnyError(code, message, { hint: REMEDIES[code], details, ...(cause === undefined ? {} : { cause }) });
}
