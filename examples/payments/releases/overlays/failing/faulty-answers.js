/** One request in this many runs into the defect. */
const PERIOD = 20;

let seen = 0;

/**
 * A defect: every twentieth request meets a state that was never thought of. It fails before anything is stored, so
 * what was not acknowledged was not done.
 */
export const faultyAnswers = {
  name: "faulty-answers",
  middleware(request, next) {
    seen += 1;
    if (seen % PERIOD === 0)
      throw new TypeError(`Cannot read properties of undefined (reading 'rate') in ${request.pattern}`);
    return next();
  },
};
