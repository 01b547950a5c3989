import { forgottenConnections } from "./forgotten-connections.js";
import { paymentReferences } from "./payment-references.js";

/** What this release adds to the core: references of merchants, and connections that are never given back. */
export const extensions = [paymentReferences, forgottenConnections];
