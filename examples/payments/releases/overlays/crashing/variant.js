import { paymentReferences } from "./payment-references.js";
import { rateTable } from "./rate-table.js";

/** What this release adds to the core: references of merchants, and a table that is missing at start. */
export const extensions = [paymentReferences, rateTable];
