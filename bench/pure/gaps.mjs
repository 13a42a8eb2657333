/** Gaps between the tokens of answers, as whoever reads them sees them. */
import { median } from './statistics.mjs'

/**
 * Gaps of answers before a newcomer and while it was computed.
 *
 * The quiet ones begin when every answer has its first token: before that, prompts are in the way. A gap belongs to the newcomer's
 * time where any of it lies between `sent` and `came`, so that a pause which begins before or ends after it counts.
 * @param {{ sent: number, came: number, times: readonly (readonly number[])[] }} scene milliseconds: when the newcomer was sent, when its
 *   first token came, and when each token of each other answer came
 * @returns {{ quietMedianMs: number, wholeMedianMs: number, longestMs: number }} the median gap before the newcomer, over the whole, and
 *   the longest while it was computed
 */
export function gapsOf({ sent, came, times }) {
  const began = Math.max(...times.map(([first]) => first))
  const gaps = times.flatMap((each) => each.slice(1).map((to, at) => ({ from: each[at], to, ms: to - each[at] })))
  const quiet = gaps.filter(({ from, to }) => from >= began && to <= sent).map(({ ms }) => ms)
  const disturbed = gaps.filter(({ from, to }) => to > sent && from < came).map(({ ms }) => ms)
  return {
    quietMedianMs: median(quiet),
    wholeMedianMs: median([...quiet, ...disturbed]),
    longestMs: Math.max(...disturbed),
  }
}
