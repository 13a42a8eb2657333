/**
 * Situations of several requests on one model, as they happen in an engine's process; `measures/` asks for them by name.
 *
 * Times are those of whoever reads the answers: when a part came, not when it was computed.
 */
import { prompt } from '../pure/prompt.mjs'

/** Tokens of a short prompt. */
const SHORT_PROMPT = 16

/** @typedef {import('./engine.mjs').Opened} Opened */

/**
 * Answers of `count` tokens to as many short prompts as there are salts, all at once: the time until the last is done, and of each
 * the tokens a second from its first part to its end.
 * @param {Opened} model
 */
export async function many(model, { salts, vocab, count }) {
  const started = performance.now()
  const rates = await Promise.all(
    salts.map(async (salt) => {
      let first
      await answered(model, prompt(SHORT_PROMPT, salt, vocab), count, { onPart: () => (first ??= performance.now()) })
      return ((count - 1) / (performance.now() - first)) * 1000
    }),
  )
  return { ms: performance.now() - started, rates }
}

/**
 * All salts but the last decode; when each has had `before` tokens, the last sends a prompt of `promptTokens`.
 * Times in milliseconds: when the newcomer was sent and when it had its first token, and when each token of the others came.
 * @param {Opened} model
 */
export async function join(model, { salts, vocab, promptTokens, before, most }) {
  const stop = new AbortController()
  const [newcomer, ...others] = salts
  const times = others.map(() => [])
  const decoding = others.map((salt, at) =>
    model
      .stream(prompt(SHORT_PROMPT, salt, vocab), most, { signal: stop.signal, ids: true, onPart: () => times[at].push(performance.now()) })
      .then(
        () => Promise.reject(new Error(`${most} tokens were decoded before the newcomer had its first`)),
        (error) => (stop.signal.aborted ? undefined : Promise.reject(error)),
      ),
  )
  const scene = async () => {
    await until(() => times.every(({ length }) => length >= before))
    const sent = performance.now()
    await answered(model, prompt(promptTokens, newcomer, vocab), 1)
    const came = performance.now()
    // A pause that began before it and lasts beyond it is one of theirs too.
    await until(() => times.every((each) => each.at(-1) > came))
    return { sent, came }
  }
  const { sent, came } = await Promise.race([scene(), ...decoding])
  stop.abort()
  await Promise.all(decoding)
  return { sent, came, times }
}

/**
 * A prompt of `promptTokens` is aborted `afterMs` after it was sent, and at that moment a short one is sent. Milliseconds from then:
 * until the second has begun (where an engine says so), has its first token, and until the first is over.
 * @param {Opened} model
 */
export async function abort(model, { salts, vocab, promptTokens, afterMs }) {
  const stop = new AbortController()
  let at
  const since = () => performance.now() - at
  const aborted = model.stream(prompt(promptTokens, salts[0], vocab), 1, { signal: stop.signal }).then(
    () => Promise.reject(new Error(`a prompt of ${promptTokens} tokens was computed within ${afterMs} ms`)),
    (error) => (stop.signal.aborted ? since() : Promise.reject(error)),
  )
  await Promise.race([new Promise((resolve) => setTimeout(resolve, afterMs)), aborted])
  at = performance.now()
  stop.abort()
  let beginMs
  await answered(model, prompt(SHORT_PROMPT, salts[1], vocab), 1, { onStart: () => (beginMs = since()) })
  const firstTokenMs = since()
  return { beginMs, firstTokenMs, overMs: await aborted }
}

/**
 * The first token of a second turn: `newTokens` after what a first turn asked (`promptTokens`) and was answered (`answerTokens`).
 * @param {Opened} model
 */
export async function secondTurn(model, { salts, vocab, promptTokens, answerTokens, newTokens }) {
  const asked = prompt(promptTokens, salts[0], vocab)
  const said = []
  await answered(model, asked, answerTokens, { ids: true, onPart: (ids) => said.push(...ids) })
  if (said.length !== answerTokens) throw new Error(`${said.length} ids came of ${answerTokens} tokens`)
  return afterContext(model, [...asked, ...said], prompt(newTokens, salts[1], vocab))
}

/**
 * The same after a context of as many tokens that was computed ahead, by `prepare`, and nothing else.
 * @param {Opened} model
 */
export async function preparedContext(model, { salts, vocab, promptTokens, answerTokens, newTokens }) {
  const context = prompt(promptTokens + answerTokens, salts[0], vocab)
  await model.prepare(context)
  return afterContext(model, context, prompt(newTokens, salts[1], vocab))
}

async function afterContext(model, context, more) {
  const tokens = [...context, ...more]
  const started = performance.now()
  const { cached } = await answered(model, tokens, 1)
  return { ms: performance.now() - started, cached, computed: tokens.length - cached }
}

/**
 * As many requests as `requests`, all at once, whose prompts begin with the same `prefixTokens`: how much of them was computed, and
 * the most that keys and values took meanwhile, where the engine says it.
 * @param {Opened} model
 */
export async function shared(model, { salts, vocab, prefixTokens, ownTokens, count }) {
  const [common, ...own] = salts
  const prefix = prompt(prefixTokens, common, vocab)
  const before = model.stats()?.kv
  let usedBytes
  const look = () => (usedBytes = Math.max(usedBytes ?? 0, model.stats()?.kv.usedBytes ?? NaN))
  const looking = before && setInterval(look, 5)
  const started = performance.now()
  const answers = await Promise.all(own.map((salt) => answered(model, [...prefix, ...prompt(ownTokens, salt, vocab)], count)))
  const ms = performance.now() - started
  clearInterval(looking)
  const computed = answers.reduce((sum, { cached }) => sum + prefixTokens + ownTokens - cached, 0)
  return { ms, computed, usedBytes, preparedBytes: before?.usedBytes }
}

/**
 * Answers to `prompts`, one after another or all `together`: their ids, tokens a second from the first part to the end, and how many
 * tokens were drafted and taken.
 * @param {Opened} model
 */
export async function decode(model, { prompts, count, sampling, together }) {
  const before = model.stats()?.draft
  const one = async (asked) => {
    const answer = { ids: [] }
    const onPart = (ids) => {
      answer.first ??= performance.now()
      answer.ids.push(...ids)
    }
    await model.stream(asked, count, { ids: true, sampling, onPart })
    return { ...answer, last: performance.now() }
  }
  const answers = []
  if (together) answers.push(...(await Promise.all(prompts.map(one))))
  else for (const asked of prompts) answers.push(await one(asked))
  const after = model.stats()?.draft
  const ids = answers.map((answer) => answer.ids)
  const ms = together
    ? Math.max(...answers.map(({ last }) => last)) - Math.min(...answers.map(({ first }) => first))
    : answers.reduce((sum, { first, last }) => sum + last - first, 0)
  const tokens = ids.flat().length - (together ? 1 : ids.length)
  const drafted = after && { proposed: after.proposedTokens - before.proposedTokens, accepted: after.acceptedTokens - before.acceptedTokens }
  return { ids, rate: (tokens / ms) * 1000, drafted }
}

async function answered(model, tokens, count, options) {
  const got = await model.stream(tokens, count, options)
  if (got.tokens !== count) throw new Error(`${got.tokens} tokens came where ${count} were asked for`)
  return got
}

/** Resolves when `done()`; looks whenever the event loop comes round. */
async function until(done) {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 1))
}
