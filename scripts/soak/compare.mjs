/** Whether what came in the crowd is what comes when it is quiet. */

const FIELDS = ['error', 'reason', 'text', 'completionTokens', 'promptTokens']

/**
 * What is different, in a sentence; undefined where nothing is.
 * @param {import('./ask.mjs').Outcome} quiet
 * @param {import('./ask.mjs').Outcome} seen
 */
export function difference(quiet, seen) {
  const at = firstDifference(quiet.ids, seen.ids)
  if (at < Math.max(quiet.ids.length, seen.ids.length)) return `token ${at} is ${seen.ids[at] ?? 'missing'} where it is ${quiet.ids[at] ?? 'none'} when it is quiet`
  const field = FIELDS.find((name) => quiet[name] !== seen[name])
  return field && `${field} is ${JSON.stringify(seen[field])} where it is ${JSON.stringify(quiet[field])} when it is quiet`
}

/**
 * What is different in an answer that was not let finish: what there is of it must begin the quiet one.
 * @param {import('./ask.mjs').Outcome} quiet
 * @param {import('./ask.mjs').Outcome} seen
 */
export function differenceBefore(quiet, seen) {
  const at = firstDifference(quiet.ids, seen.ids)
  return at < seen.ids.length ? `token ${at} of what was left is ${seen.ids[at]} where it is ${quiet.ids[at] ?? 'none'} when it is quiet` : undefined
}

function firstDifference(one, other) {
  const at = other.findIndex((id, at) => id !== one[at])
  return at === -1 ? other.length : at
}
