/** Numbers of many rounds as one. */

/**
 * The middle value, of an even count the mean of the two in the middle; NaN of none.
 * @param {readonly number[]} values
 */
export function median(values) {
  return percentile(values, 50)
}

/**
 * The value below which `p` percent lie, interpolated between neighbours; NaN of none.
 * @param {readonly number[]} values
 * @param {number} p 0 to 100
 */
export function percentile(values, p) {
  if (values.length === 0) return NaN
  const sorted = [...values].sort((a, b) => a - b)
  const at = ((sorted.length - 1) * p) / 100
  const low = sorted[Math.floor(at)]
  return low + (sorted[Math.ceil(at)] - low) * (at - Math.floor(at))
}

/**
 * How far the rounds lie apart: (largest − smallest) / median; 0 of one.
 * @param {readonly number[]} values
 */
export function spread(values) {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

/**
 * Sum over count; NaN of none.
 * @param {readonly number[]} values
 */
export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
