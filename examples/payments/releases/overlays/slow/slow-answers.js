import { setTimeout as delay } from "node:timers/promises";

/** One request in this many waits for a lookup that nobody measured. */
const PERIOD = 4;
/** The shortest and the longest of these waits, ms. */
const WAIT_MS = [600, 950];

let seen = 0;

/** A defect: a quarter of the requests wait for a slow lookup, which puts p95 between 600 and 950 ms; none fails. */
export const slowAnswers = {
  name: "slow-answers",
  async middleware(_request, next) {
    seen += 1;
    if (seen % PERIOD === 0) {
      const [shortest, longest] = WAIT_MS;
      await delay(shortest + ((seen * 37) % (longest - shortest)));
    }
    return next();
  },
};
