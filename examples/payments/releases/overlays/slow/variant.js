import { paymentReferences } from "./payment-references.js";
import { slowAnswers } from "./slow-answers.js";

/** What this release adds to the core: references of merchants, and a slow lookup. */
export const extensions = [paymentReferences, slowAnswers];
