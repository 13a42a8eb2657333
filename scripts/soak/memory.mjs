/** Whether memory grows. */

/** Resident bytes of this process after everything that is garbage was collected; needs `--expose-gc`. */
export async function resident() {
  for (let pass = 0; pass < 3; pass += 1) {
    globalThis.gc()
    // What a collection lets go of on the engine's side is freed when its thread comes round.
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return process.memoryUsage.rss()
}

/**
 * Growth over a series of samples, by a line of least squares through those after the first `warmup` share: what the line climbs from
 * its beginning to its end, over its value at the beginning. A single sample that is off does little to it. NaN of fewer than three.
 * @param {readonly { ms: number, bytes: number }[]} samples
 * @param {number} [warmup] 0 to 1
 */
export function growth(samples, warmup = 0.2) {
  const counted = samples.slice(Math.floor(samples.length * warmup))
  if (counted.length < 3) return NaN
  const mean = (of) => counted.reduce((sum, sample) => sum + of(sample), 0) / counted.length
  const [ms, bytes] = [mean((one) => one.ms), mean((one) => one.bytes)]
  const slope = mean((one) => (one.ms - ms) * (one.bytes - bytes)) / mean((one) => (one.ms - ms) ** 2)
  const [first, last] = [counted[0].ms, counted.at(-1).ms]
  return (slope * (last - first)) / (bytes + slope * (first - ms))
}
