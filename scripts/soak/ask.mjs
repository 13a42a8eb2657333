/** One turn asked of a model or a session, and what came of it in a form that can be compared. */
import { pathToFileURL } from 'node:url'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** wick, as its users see it. */
export const wick = await import(pathToFileURL(join(root, 'dist/index.js')).href)

/**
 * What an answer was: its tokens, text and end; or the code of the error that it ended with. What depends on the moment (how much of a
 * prompt was in the cache, how long it took) is left out.
 * @typedef {{ ids: number[], text: string, reason?: string, completionTokens?: number, promptTokens?: number, error?: string }} Outcome
 */

/**
 * @param {object} model a model or a session
 * @param {import('./lives.mjs').Turn} turn
 * @param {{ signal?: AbortSignal, priority?: number, onPart?: (parts: number) => unknown }} [how] `onPart` is waited for: a slow reader;
 *   where it gives false the run is left
 * @returns {Promise<Outcome & { thrown?: unknown, left?: boolean }>}
 */
export async function ask(model, { options, overflow }, { onPart, ...how } = {}) {
  const outcome = { ids: [], text: '' }
  let parts = 0
  try {
    for await (const part of wick.generate({ model, ...options, logprobs: 0, overflow: overflow === 'halve' ? halve : overflow, ...how })) {
      if (part.type === 'text-delta' || part.type === 'reasoning-delta') {
        outcome.text += part.text
        // Text that was held back until the end comes without tokens.
        outcome.ids.push(...(part.tokens ?? []).map(({ id }) => id))
      }
      if (part.type === 'finish') {
        const { reason, usage } = part
        Object.assign(outcome, { reason, completionTokens: usage.completionTokens, promptTokens: usage.promptTokens })
      }
      if ((await onPart?.(++parts)) === false) return { ...outcome, left: true }
    }
    return outcome
  } catch (thrown) {
    if (thrown !== how.signal?.reason && (!wick.isWickError(thrown) || thrown.code === 'internal')) throw thrown
    return { ...outcome, error: thrown.code ?? 'aborted', thrown }
  }
}

/** Keeps the system message and the later half of what was said. */
function halve(messages) {
  const system = messages.filter(({ role }) => role === 'system')
  const said = messages.filter(({ role }) => role !== 'system')
  return [...system, ...said.slice(Math.min(said.length - 1, Math.ceil(said.length / 2)))]
}

/** Begins what a life is asked of. */
export function begin(model, { kind, system }) {
  if (kind === 'raw') return model
  return model.session(system === undefined ? {} : { messages: [{ role: 'system', content: system }] })
}
