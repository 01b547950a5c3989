/** The process, without a look at each of its properties; `sources.js` gives it to who imports `node:process`. */
export default process;
