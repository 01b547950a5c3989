/** Runs of 13 to 19 digits. */
const TOGETHER = /(?<![0-9])[0-9]{13,19}(?![0-9])/g;
/** Groups as they are printed on cards: four by four, or four, six, five. */
const GROUPED = /(?<![0-9])(?:[0-9]{4}(?:[ -][0-9]{4}){3}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{5})(?![0-9])/g;

/** True when `text` holds what may be a card number: the length fits and so does the check digit (Luhn, ISO/IEC 7812-1). */
export function holdsCardNumber(text) {
  const runs = [...(text.match(TOGETHER) ?? []), ...(text.match(GROUPED) ?? [])];
  return runs.some((run) => luhn(run.replaceAll(/[ -]/g, "")));
}

/** The same for keys, where groups are left alone: the groups of a UUID are digits by chance now and then. */
export function isLikeCardNumber(key) {
  return (key.match(TOGETHER) ?? []).some(luhn);
}

function luhn(digits) {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = digit * 2;
    sum += index % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
