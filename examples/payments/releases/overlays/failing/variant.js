import { faultyAnswers } from "./faulty-answers.js";
import { paymentReferences } from "./payment-references.js";

/** What this release adds to the core: references of merchants, and a defect in one answer of twenty. */
export const extensions = [paymentReferences, faultyAnswers];
