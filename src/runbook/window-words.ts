/** What people write between the days and the times of a window in English, without keeping any of them out. */
const UNDERSTOOD: ReadonlySet<string> = new Set(
  `
  a about activity after afternoon afternoons agreed all allowed also always an and any api application applications approximately
  are around as at available back-end backend backup backups be because before begin beginning begins being best between both
  breaks bug bugs business busy by calendar calm can card cards change changes close closes closing come config configuration
  core critical customer customers cutover data database databases day days default demand dependency dependencies deploy
  deployed deploying deployment deployments deploys duration during duty each early either emergency end ending ends engineer
  engineering engineers environment environments evening evenings every everyone extended feature features few first-line fixes
  for from front-end frontend full fully general global go good h hand has have high high-risk hot hotfix hotfixes hour hours hrs
  ideal ideally if impact impacting in including inclusive infrastructure internal is it its just large late later least less
  level light live load local long low low-risk low-traffic lower lowest lull main maintain maintained maintenance major may
  midnight migration migrations minimal minimum minor mobile monitored monitoring month more morning mornings most near network
  new night nightly nights non-critical non-emergency noon normal normally o'clock of off off-hours off-peak office on on-call
  once online only open opening opens operations operator operators ops or other our out outage outages outside overnight
  patch patches patching payment payments peak people per period periods place planned platform preferably preferred present
  primary prod production quiet quieter quietest range recommended region regional regions regular regularly release released
  releases reserved restart restarts review risk risky roll-out rollout rollouts routine run running runs safe safer safest schedule
  schedules scheduled schema secondary security service services shift shifts should since single slot slots slow slowest small
  small-scale some staff staffed staging standard start starting starts still strictly suggested support system systems take
  takes taking target team teams tech technical test tested testing tests than that the their them then there these they this
  those through throughout till time timeframe times to traffic type types typical typically until up update updates upgrade
  upgrades urgent us usage use used user users usual usually via volume want we web week weekly weeks were when where which while
  who whole will window windows with within work working works you your zone
  `
    .trim()
    .split(/\s+/),
);

/** Stands for a day, a time or a zone that was read. */
const READ = "\u0000";

/**
 * What stands between the days and the times of a window and is not understood: most of its words are in no list of what
 * people write there in English. Undefined when all of it is understood. In any language a word that keeps something out is
 * written small, so that names ("Sunday, Frankfurt, 01:00-03:00") are let be. `text` ends with the last time; `patterns`
 * find days, times and zones.
 */
export function notUnderstood(text: string, patterns: readonly RegExp[]): string | undefined {
  const [, ...between] = patterns.reduce((left, pattern) => left.replace(pattern, READ), text).split(READ);
  return between.find(isStrange)?.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "");
}

function isStrange(part: string): boolean {
  const words = wordsOf(part);
  const known = words.filter((word) => UNDERSTOOD.has(word));
  return 2 * known.length < words.length;
}

function wordsOf(text: string): string[] {
  return text.match(/(?<![\p{L}\p{N}])\p{Ll}[\p{L}\p{M}'’-]*/gu) ?? [];
}
