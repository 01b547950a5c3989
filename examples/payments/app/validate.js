import { holdsCardNumber, isLikeCardNumber } from "./card-data.js";
import { ApiError } from "./errors.js";

/** The currencies that are accepted (ISO 4217). */
const CURRENCIES = new Set(["AUD", "CAD", "CHF", "DKK", "EUR", "GBP", "JPY", "NOK", "NZD", "PLN", "SEK", "USD"]);
/** The largest amount of one payment, in minor units. */
const AMOUNT_LIMIT = 100_000_000;
const KEY = /^[A-Za-z0-9_-]{8,64}$/;
const TOKEN = /^tok_[A-Za-z0-9_]{1,60}$/;

/** The value of the `Idempotency-Key` header. */
export function readKey(value) {
  if (value === undefined) {
    throw new ApiError(
      400,
      "idempotency_key_missing",
      "Send an Idempotency-Key header, so that a retry cannot charge twice.",
    );
  }
  if (!KEY.test(value) || isLikeCardNumber(value)) {
    throw new ApiError(
      400,
      "idempotency_key_invalid",
      "An Idempotency-Key is 8 to 64 letters, digits, dashes or underscores.",
    );
  }
  return value;
}

/** Checks the body of `POST /payments`; `fields` are the members that extensions add. */
export function readPayment(body, fields = {}) {
  const known = {
    amount: amountProblem,
    currency: (value) =>
      CURRENCIES.has(value) ? undefined : "must be a supported ISO 4217 code in capitals, such as EUR",
    card_token: (value) =>
      typeof value === "string" && TOKEN.test(value)
        ? undefined
        : "must be a token of the card processor, such as tok_visa",
  };
  return readMembers(body, known, fields);
}

/** Checks the body of `POST /payments/:id/refunds`; without `amount` all that is left is refunded. */
export function readRefund(body) {
  return readMembers(body, {}, { amount: amountProblem });
}

function readMembers(body, required, optional) {
  if (body === null || typeof body !== "object" || Array.isArray(body)) {
    throw new ApiError(400, "body_invalid", "The body must be a JSON object.");
  }
  for (const [field, value] of Object.entries(body)) {
    // Nothing that looks like a card number goes any further, whatever member it came in; it is not repeated either.
    if (holdsCardNumber(String(value)) || holdsCardNumber(field)) {
      throw new ApiError(400, "card_number_refused", "Send a token of the card processor, never a card number.");
    }
    const check = required[field] ?? optional[field];
    if (check === undefined || !Object.hasOwn({ ...required, ...optional }, field)) {
      const allowed = [...Object.keys(required), ...Object.keys(optional)].join(", ");
      throw new ApiError(400, "field_unknown", `The body has a member that is not known; known are ${allowed}.`);
    }
  }
  for (const [field, check] of Object.entries(required)) {
    if (!Object.hasOwn(body, field)) throw new ApiError(400, "field_missing", `${field} is missing.`, { field });
    refuse(field, check(body[field]));
  }
  for (const [field, check] of Object.entries(optional)) {
    if (Object.hasOwn(body, field)) refuse(field, check(body[field]));
  }
  return body;
}

function refuse(field, problem) {
  if (problem !== undefined) throw new ApiError(400, "field_invalid", `${field} ${problem}.`, { field });
}

function amountProblem(value) {
  if (Number.isSafeInteger(value) && value > 0 && value <= AMOUNT_LIMIT) return undefined;
  return `must be a whole number of minor units from 1 to ${AMOUNT_LIMIT}`;
}
