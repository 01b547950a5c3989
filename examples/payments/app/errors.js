/** An answer that is not a success: status, stable code, a sentence for the caller, the member that is wrong. */
export class ApiError extends Error {
  constructor(status, code, message, { field, headers } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
    this.headers = headers;
  }
}

/** The body of an unsuccessful answer. */
export function errorBody({ code, message, field }) {
  return { error: field === undefined ? { code, message } : { code, message, field } };
}
