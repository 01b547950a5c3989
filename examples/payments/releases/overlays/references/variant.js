import { paymentReferences } from "./payment-references.js";

/** What this release adds to the core: references of merchants. */
export const extensions = [paymentReferences];
