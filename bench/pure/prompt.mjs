/** Prompts of token ids that no engine has seen before. */

/** Ids below are control tokens and bytes in every file the bench makes. */
const FIRST_WORD = 259

/**
 * `length` ids of words. Another `salt` gives another first id, so that no prefix of it can be in a cache; the same salt gives the
 * same prompt to every engine.
 * @param {number} length
 * @param {number} salt from 0
 * @param {number} vocab ids the model has
 */
export function prompt(length, salt, vocab) {
  const words = vocab - FIRST_WORD
  let state = (salt * 2654435761 + 1) >>> 0
  return Array.from({ length }, (_, at) => {
    if (at === 0) return FIRST_WORD + (salt % words)
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return FIRST_WORD + (state % words)
  })
}
