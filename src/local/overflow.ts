/**
 * What becomes of a prompt when the window is full.
 *
 * Tokens are counted by the model itself, so the search for how much to drop asks for as few counts as it can: what is left
 * only shrinks as more is dropped, so it is halved, not walked.
 */
import { WickError } from '../errors/index.js'
import type { InfillPrompt, Message, Overflow, OverflowInfo, Prompt, RawPrompt, ShortenConversation } from '../spec/index.js'
import type { FullWindow, Shorten, Shorter } from './answer.js'

/** Counts what a prompt is in tokens. */
export interface Counter {
  /** Tokens of a prompt under the model's template. */
  countTokens(prompt: Prompt): number
  /** A raw prompt's tokens, and how many of the first must stay. */
  rawTokens(prompt: RawPrompt): { readonly tokens: readonly number[]; readonly kept: number }
}

/** What answers an overflow of `prompt`; `undefined` where nothing should. Each answer goes on from the one before. */
export function shortening(prompt: Prompt, overflow: Overflow | undefined, counter: Counter): Shorten | undefined {
  if (overflow === undefined || overflow === 'error') return undefined
  if (!('messages' in prompt)) {
    if (overflow !== 'shift') throw new WickError('invalid-request', "An overflow function shortens messages; with any other prompt use 'shift' or 'error'.")
    return 'prefix' in prompt
      ? (window) => shiftGap(prompt, window, (prompt) => counter.countTokens(prompt))
      : (window) => shiftRaw(prompt, window, counter)
  }
  let { messages } = prompt
  const count = (messages: readonly Message[]): number => counter.countTokens({ ...prompt, messages })
  return async (window) => {
    const shorter = overflow === 'shift' ? shiftTurns(messages, window, count) : await ask(overflow, messages, window, count)
    const note = `The window of ${window.contextTokens} tokens was full: of ${messages.length} messages ${shorter.length} were kept.`
    messages = shorter
    return { prompt: { ...prompt, messages }, note }
  }
}

type Count = (messages: readonly Message[]) => number

/**
 * Drops the oldest turns; system messages and the turn of the last user message stay. An eighth of the window is made free, so
 * that the next token does not ask again; where that much cannot be dropped, as much as there is.
 */
function shiftTurns(messages: readonly Message[], window: FullWindow, count: Count): readonly Message[] {
  const turns = turnStarts(messages)
  const without = (dropped: number): readonly Message[] => {
    const from = turns[dropped] ?? messages.length
    return messages.filter((message, index) => index >= from || message.role === 'system')
  }
  const most = turns.length - 1
  const wanted = room(window) - Math.floor(window.contextTokens / 8)
  const dropped = leastFitting(1, most, (dropped) => count(without(dropped)) <= wanted)
  if (most >= 1 && (dropped < most || count(without(most)) <= room(window))) return without(dropped)
  throw tooLong(window, 'after every turn but the last was dropped')
}

/** Where turns begin: at user messages. What an assistant says before the first is a turn as well. */
function turnStarts(messages: readonly Message[]): number[] {
  const first = messages.findIndex(({ role }) => role !== 'system')
  return [...messages.keys()].filter((index) => index === first || (index > first && messages[index]?.role === 'user'))
}

/** The smallest number in [low, high] that `fits`, or `high` where none does; what fits stays fitting upwards. */
function leastFitting(low: number, high: number, fits: (dropped: number) => boolean): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (fits(middle)) high = middle
    else low = middle + 1
  }
  return low
}

async function ask(shorten: ShortenConversation, messages: readonly Message[], window: FullWindow, count: Count) {
  const { promptTokens, completionTokens, contextTokens } = window
  const info: OverflowInfo = { promptTokens, completionTokens, contextTokens, countTokens: count }
  const shorter = await shorten(messages, info)
  const tokens = count(shorter)
  if (tokens <= room(window)) return shorter
  throw tooLong({ ...window, promptTokens: tokens }, 'as the overflow function returned them')
}

/** Drops the oldest tokens of a raw prompt, an eighth of the window where there is as much. */
function shiftRaw(prompt: RawPrompt, window: FullWindow, counter: Counter): Shorter {
  const { tokens, kept } = counter.rawTokens(prompt)
  const wanted = Math.max(room(window) - Math.floor(window.contextTokens / 8), kept + 1)
  if (wanted > room(window) || wanted >= window.promptTokens) throw tooLong(window, 'with nothing left to drop')
  const rest = [...tokens.slice(0, kept), ...tokens.slice(tokens.length - (wanted - kept))]
  const note = `The window of ${window.contextTokens} tokens was full: of ${tokens.length} tokens ${rest.length} were kept.`
  return { prompt: { tokens: rest }, note }
}

/** How finely the text around a gap is cut. */
const cuts = 64

/** Drops files, the first first, then what is farthest from the gap; an eighth of the window is made free where that can be. */
function shiftGap(prompt: InfillPrompt, window: FullWindow, count: (prompt: InfillPrompt) => number): Shorter {
  const { files = [], prefix, suffix } = prompt
  const without = (dropped: number): InfillPrompt => {
    const share = Math.max(0, dropped - files.length) / cuts
    return { ...prompt, files: files.slice(dropped), prefix: lastOf(prefix, 1 - share), suffix: firstOf(suffix, 1 - share) }
  }
  const most = files.length + cuts
  const wanted = room(window) - Math.floor(window.contextTokens / 8)
  const shorter = without(leastFitting(1, most, (dropped) => count(without(dropped)) <= wanted))
  const tokens = count(shorter)
  if (tokens > room(window)) throw tooLong(window, 'with nothing left around the gap')
  const note = `The window of ${window.contextTokens} tokens was full: of ${window.promptTokens} tokens around the gap ${tokens} were kept.`
  return { prompt: shorter, note }
}

function firstOf(text: string, share: number): string {
  return text.slice(0, whole(text, Math.floor(text.length * share)))
}

function lastOf(text: string, share: number): string {
  return text.slice(whole(text, text.length - Math.floor(text.length * share)))
}

/** `at`, or one further where that is in the middle of a character. */
function whole(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at + 1 : at
}

/** Most tokens a prompt may have beside what was generated and one more. */
function room({ contextTokens, completionTokens }: FullWindow): number {
  return contextTokens - completionTokens - 1
}

function tooLong({ promptTokens, completionTokens, contextTokens }: FullWindow, when: string): WickError {
  const generated = completionTokens > 0 ? ` beside ${completionTokens} generated ones` : ''
  return new WickError(
    'context-overflow',
    `The prompt does not fit the window of ${contextTokens} tokens${generated}, ${when}. Shorten it, or load with a larger contextTokens.`,
    { detail: { promptTokens, completionTokens, contextTokens } },
  )
}
