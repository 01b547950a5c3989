/** Digits of a length and a beginning that the card networks use (ISO/IEC 7812): groups of digits, spaces or dashes between. */
const CANDIDATE = /(?<![\w.-])(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|3[0-9]\d{2}|6\d{3})(?:[ -]?\d){8,15}(?![\w.-])/g;

/** Card numbers in a text, digits only; each once. A number of 13 to 19 digits counts when its check digit fits (Luhn). */
export function cardNumbers(text: string): string[] {
  const found = new Set<string>();
  for (const [match] of text.matchAll(CANDIDATE)) {
    const digits = match.replaceAll(/\D/g, "");
    if (digits.length >= 13 && digits.length <= 19 && passesLuhn(digits)) found.add(digits);
  }
  return [...found];
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
