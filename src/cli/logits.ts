/** Logits as log-probabilities, for `wick evaluate`. */

/** What a model expects after a position. */
export interface Expected {
  /** The token that does follow, and its log-probability; null at the end. */
  next: { id: number; logprob: number } | null
  /** The most probable tokens, best first; of equal ones the lower id. */
  top: Array<{ id: number; logprob: number }>
}

/** The distribution that `logits` (v) stand for: `next`'s log-probability and the `n` most probable tokens. */
export function distribution(logits: Float32Array, n: number, next?: number): Expected {
  const norm = logSumExp(logits)
  const at = (id: number) => ({ id, logprob: (logits[id] ?? NaN) - norm })
  return { next: next === undefined ? null : at(next), top: largest(logits, n).map(at) }
}

/** log Σ exp(x), with the largest taken out first so nothing overflows. */
function logSumExp(logits: Float32Array): number {
  let max = -Infinity
  for (const logit of logits) max = Math.max(max, logit)
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - max)
  return max + Math.log(sum)
}

/** The ids of the `n` largest, best first: a sorted list that only better ones enter, or one sort where most are wanted. */
function largest(logits: Float32Array, n: number): number[] {
  const better = (a: number, b: number) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b
  if (n > 64) return Array.from(logits.keys()).sort(better).slice(0, n)
  const best: number[] = []
  for (let id = 0; id < logits.length; id += 1) {
    const last = best[n - 1]
    if (n === 0 || (last !== undefined && better(last, id) <= 0)) continue
    let at = best.length
    while (at > 0 && better(best[at - 1] ?? 0, id) > 0) at -= 1
    best.splice(at, 0, id)
    if (best.length > n) best.pop()
  }
  return best
}
