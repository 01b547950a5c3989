/** What one entry takes on the heap: 8 bytes for each of these. */
const WORDS = 32_768;

const cache = new Map();

/** A defect: a cache of work areas by request that nothing is ever removed from; a quarter of a megabyte a request. */
export const answerCache = {
  name: "answer-cache",
  middleware(request, next) {
    cache.set(
      request.id,
      Array.from({ length: WORDS }, () => 0),
    );
    return next();
  },
};
