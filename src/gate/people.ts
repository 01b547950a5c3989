import type { Person } from "../system/schema.ts";
import { messageOf, SunnyError } from "../errors.ts";

/** A named person with the roles they hold and, when they have one, their armoured PGP public key. */
export interface KeyedPerson {
  readonly name: string;
  readonly roles: readonly string[];
  readonly email?: string;
  readonly publicKey?: string;
}

/**
 * The people of the configuration with their public keys read by `read` (UTF-8 text of a file).
 * @throws PERSON_KEY_INVALID when a key file cannot be read or holds no public key, or holds a private one.
 */
export function loadPeople(people: readonly Person[], read: (file: string) => string): KeyedPerson[] {
  return people.map((person) => {
    const { name, roles } = person;
    const base = { name, roles, ...(person.email === undefined ? {} : { email: person.email }) };
    return person.publicKeyFile === undefined
      ? base
      : { ...base, publicKey: readKey(person.name, person.publicKeyFile, read) };
  });
}

function readKey(name: string, file: string, read: (file: string) => string): string {
  const refuse = (why: string, cause?: unknown): SunnyError =>
    new SunnyError("PERSON_KEY_INVALID", `Cannot use the public key of ${name}: ${why}`, {
      place: { file },
      hint: "people[].publicKeyFile names a file with one armoured PGP public key (gpg --export --armor).",
      cause,
    });
  let text: string;
  try {
    text = read(file);
  } catch (error) {
    throw refuse(messageOf(error), error);
  }
  if (text.includes("BEGIN PGP PRIVATE KEY BLOCK")) throw refuse("the file holds a private key");
  if (!text.includes("BEGIN PGP PUBLIC KEY BLOCK")) throw refuse("the file holds no armoured PGP public key");
  return text;
}

/** True when the person holds the role; case and surrounding space do not matter ("cto" is "CTO"). */
export function holdsRole(person: KeyedPerson, role: string): boolean {
  return person.roles.some((held) => sameName(held, role));
}

/** True when two names or roles are the same to people: Unicode form, case and runs of space do not matter. */
export function sameName(a: string, b: string): boolean {
  return fold(a) === fold(b);
}

function fold(text: string): string {
  return text.normalize("NFKC").trim().replaceAll(/\s+/g, " ").toLowerCase();
}
