/** What people write between the days and the times of a window in English, without keeping any of them out. */
const UNDERSTOOD: ReadonlySet<string> = new Set(
  `
  a about after afternoon afternoons always an and any approximately are around as at available
  be before begin beginning begins best between both business by can change changes close closes closing
  day days deploy deployed deploying deployment deployments deploys during each early either end ending ends evening evenings every
  for from h hour hours hrs in including inclusive is it late later local lowest low maintenance may midnight morning mornings
  night nightly nights noon normal normally o'clock of off-peak off office on once only open opening opens or our out outage outages
  peak per period planned preferably preferred production quiet quietest regular regularly release releases rollout rollouts
  run runs scheduled should slot slots standard start starting starts staging system systems that the then through till time times
  to traffic typically until up upgrade upgrades update updates usually via we week weekly weeks which will window windows with
  within work working
  `
    .trim()
    .split(/\s+/),
);

/** Stands for a day, a time or a zone that was read. */
const READ = "\u0000";

/**
 * What stands between the days and the times of a window and is not understood; undefined when all of it is. In any
 * language a word that keeps something out is written small, so that names ("Sunday, Frankfurt, 01:00-03:00") are let
 * be. `text` ends with the last time; `patterns` find days, times and zones.
 */
export function notUnderstood(text: string, patterns: readonly RegExp[]): string | undefined {
  const [, ...between] = patterns.reduce((left, pattern) => left.replace(pattern, READ), text).split(READ);
  const strange = between.find((part) => wordsOf(part).some((word) => !UNDERSTOOD.has(word)));
  return strange?.replace(/^[\s,;(]+|[\s,;)]+$/g, "");
}

function wordsOf(text: string): string[] {
  return text.match(/(?<![\p{L}\p{N}])\p{Ll}[\p{L}\p{M}'’-]*/gu) ?? [];
}
