/**
 * What this release adds to the core, in order. An extension may have:
 *
 * - `prepare({ pool })`: gets the parts of the service that it needs, once, before anything is served;
 * - `requires`: tables and columns beyond the initial schema, `{ table: [column, ...] }`, which `/health` asks for;
 * - `fields`: further members of the body of `POST /payments`, `{ name: (value) => problem | undefined }`;
 * - `onCreate(connection, payment, body)`: runs inside the transaction that stores a payment;
 * - `present(connection, payment)`: further members of a payment in answers;
 * - `middleware(request, next)`: wraps every API request; `next()` gives the answer.
 *
 * The initial release adds nothing.
 */
export const extensions = [];
