/** Rates of an engine that is open, by wall clock around its public API. */

/** Decode is (t(long) − t(short)) / (long − short), after a prompt of DEPTH tokens. */
export const [SHORT, LONG, DEPTH] = [48, 96, 16]

/**
 * Tokens a second of a prompt: an answer of one token.
 * @param {import('../run.mjs').Run} run
 * @param {import('../engines/engine.mjs').Engine} engine
 * @param {import('../files.mjs').ModelFile} file
 */
export async function prefillRate(run, engine, file, promptTokens) {
  const { ms } = await engine.call('answer', { promptTokens, vocab: file.vocab, count: 1, salt: run.salt() })
  return (promptTokens / ms) * 1000
}

/** Tokens a second of decoding: the time by which an answer of `long` tokens takes longer than one of `short`. */
export async function decodeRate(run, engine, file, { short = SHORT, long = LONG, sampling = 'greedy' } = {}) {
  const time = async (count) => (await engine.call('answer', { promptTokens: DEPTH, vocab: file.vocab, count, salt: run.salt(), sampling })).ms
  const ms = await time(short)
  return ((long - short) / ((await time(long)) - ms)) * 1000
}
