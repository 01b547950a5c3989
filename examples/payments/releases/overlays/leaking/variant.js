import { answerCache } from "./answer-cache.js";
import { paymentReferences } from "./payment-references.js";

/** What this release adds to the core: references of merchants, and a cache without bounds. */
export const extensions = [paymentReferences, answerCache];
