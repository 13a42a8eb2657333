/**
 * What a session holds: what was said, and where the engine got to.
 *
 * A conversation is kept as messages, because the template renders all of it anew for each turn; what goes past the template is kept as
 * token ids, because text tokenised in pieces is not text tokenised whole. One session is one of the two.
 */
import { WickError } from '../errors/index.js'
import type { ChatPrompt, JsonValue, Message, Prompt, RawPrompt, RawTokens, Usage } from '../spec/index.js'
import { jsonText } from './json.js'
import type { NativeSnapshot } from './native.js'
import { ids, nativePrompt } from './request.js'

/** The past of a session at one moment. Never changed, only replaced, so forks share it. */
export interface Past {
  /** Of a conversation; else empty. */
  readonly messages: readonly Message[]
  /** Of raw text and tokens; else empty. */
  readonly tokens: Uint32Array
  /** Of all finished answers. */
  readonly usage: Usage
  /** The last finished answer. It keeps the ids that were sampled, and pins no memory of keys and values. */
  readonly snapshot?: NativeSnapshot
}

/** Before anything was said. */
export const noPast: Past = {
  messages: [],
  tokens: new Uint32Array(0),
  usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 },
}

/** What a session can go on from: both go on from themselves alone. */
export type SessionPrompt = ChatPrompt | RawTokens

/** Token ids of a text, with the tokens the file puts around it where nothing stands before it. */
export type Tokenize = (text: string, options: { parseControl: boolean; addSpecial: boolean }) => Uint32Array

/** A prompt behind the past, as one prompt. */
export function after(past: Past, prompt: Prompt, tokenize: Tokenize): SessionPrompt {
  if ('messages' in prompt) {
    if (past.tokens.length > 0) throw mixed('raw text or tokens', 'messages')
    if (!Array.isArray(prompt.messages)) return prompt
    const [first, ...rest] = prompt.messages as readonly Message[]
    return { ...prompt, messages: [...past.messages, ...(repeats(past.messages[0], first) ? rest : prompt.messages)] }
  }
  if ('prefix' in prompt) throw new WickError('invalid-request', 'A gap is filled on its own, not in a session. Ask the model itself.')
  if (past.messages.length > 0) throw mixed('messages', 'raw text or tokens')
  return { tokens: [...past.tokens, ...rawIds(past, prompt, tokenize)] }
}

/** Messages, text or tokens behind the past, without an answer. */
export function appended(past: Past, what: readonly Message[] | RawPrompt, tokenize: Tokenize): Past {
  const prompt = (typeof what === 'object' && what !== null && !Array.isArray(what) ? what : { messages: what }) as ChatPrompt | RawPrompt
  nativePrompt(prompt)
  const whole = after(past, prompt, tokenize)
  return 'messages' in whole ? { ...past, messages: whole.messages } : { ...past, tokens: Uint32Array.from(whole.tokens) }
}

function rawIds(past: Past, prompt: RawPrompt, tokenize: Tokenize): Iterable<number> {
  nativePrompt(prompt)
  if ('tokens' in prompt) return ids(prompt.tokens)
  return tokenize(prompt.text, { parseControl: prompt.parseControl ?? false, addSpecial: past.tokens.length === 0 })
}

/** Whether a conversation begins with this system message: whoever asks with the same `system` each turn means it once. */
function repeats(held: Message | undefined, given: Message | undefined): boolean {
  return held?.role === 'system' && given?.role === 'system' && JSON.stringify(held.content) === JSON.stringify(given.content)
}

function mixed(held: string, given: string): WickError {
  const why = 'what the template renders and what goes past it do not mix. Begin another session.'
  return new WickError('invalid-request', `This session goes on from ${held}, and ${given} cannot follow: ${why}`)
}

/** The past as the text that a file keeps beside what the engine saves. */
export function pastText({ messages, tokens, usage, snapshot }: Past): string {
  const known = snapshot?.tokens() ?? 0
  return jsonText({ version: 1, messages, raw: tokens.length > 0, appended: [...tokens.subarray(known)], usage }, 'What the session holds')
}

/** The past that `pastText` wrote. `invalid-request` where it is another's. */
export function pastFrom(text: string, snapshot: NativeSnapshot): Past {
  const { version, messages, raw, appended, usage } = fieldsOf(text)
  if (version !== 1 || !Array.isArray(messages) || typeof raw !== 'boolean' || !isUsage(usage)) throw foreign()
  const past = { messages: messages as unknown as Message[], tokens: noPast.tokens, usage, snapshot }
  if (past.messages.length > 0) nativePrompt({ messages: past.messages })
  return raw ? { ...past, tokens: Uint32Array.from([...snapshot.ids(), ...ids(appended as number[])]) } : past
}

function fieldsOf(text: string): Record<string, JsonValue | undefined> {
  try {
    return { ...(JSON.parse(text) as Record<string, JsonValue>) }
  } catch {
    throw foreign()
  }
}

function isUsage(value: unknown): value is Usage {
  const names = Object.keys(noPast.usage)
  return typeof value === 'object' && value !== null && names.every((name) => Number.isSafeInteger((value as Record<string, unknown>)[name]))
}

function foreign(): WickError {
  return new WickError('invalid-request', 'The file holds a session, but not one that this version of wick has written.')
}
