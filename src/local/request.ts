/** Requests as the engine takes them. Ranges that depend on the model are the engine's to check. */
import { check, WickError } from '../errors/index.js'
import type { ChatPrompt, InfillPrompt, LanguageRequest, Prompt, SamplingOptions } from '../spec/index.js'
import { jsonText } from './json.js'
import { templateMessages } from './messages.js'
import type { NativePrompt, NativeRequest, NativeSampling } from './native.js'

/** A whole request; anything but `overflow: 'error'` has the engine ask when the window is full. */
export function nativeRequest(request: LanguageRequest): NativeRequest {
  const { prompt, sampling, maxTokens, stop, ignoreEnd, overflow = 'error', onToken, predict, priority, cacheSalt, reasoningBudgetTokens } = request
  return present({
    prompt: nativePrompt(prompt),
    sampling: nativeSampling(sampling),
    maxTokens,
    stop: stop && [...stop],
    ignoreEnd,
    askTokens: onToken && true,
    overflow: overflow === 'error' ? 'error' : 'ask',
    reasoningBudget: reasoningBudgetTokens,
    predict: predict && true,
    priority,
    cacheSalt,
  })
}

// What has a reader of its own below is checked there.
const readBelow = (): void => {}
const chatFields = { messages: readBelow, responsePrefix: check.text, templateVariables: check.object, reasoning: check.flag }
const textFields = { text: check.text, parseControl: check.flag }
const tokenFields = { tokens: readBelow }
const gapFields = { prefix: check.text, suffix: check.text, files: check.listOf(check.object), path: check.text, repository: check.text }
const fileFields = { path: check.text, text: check.text }

/** A prompt; a string is what a user says. */
export function nativePrompt(prompt: string | Prompt): NativePrompt {
  if (typeof prompt === 'string') return nativePrompt({ messages: [{ role: 'user', content: prompt }] })
  check.object('The prompt', prompt)
  if ('tokens' in prompt) {
    check.checkOptions('a prompt of tokens', prompt, tokenFields)
    return { type: 'Tokens', tokens: ids(prompt.tokens) }
  }
  if ('text' in prompt) {
    check.checkOptions('a prompt of text', prompt, textFields)
    return { type: 'Text', text: prompt.text, parseControl: prompt.parseControl ?? false }
  }
  if ('prefix' in prompt) return gap(prompt)
  check.checkOptions('a prompt of messages', prompt, chatFields)
  return chat(prompt)
}

function chat({ messages, responsePrefix, templateVariables, reasoning }: ChatPrompt): NativePrompt {
  return present({
    type: 'Chat' as const,
    messages: templateMessages(messages),
    variables: templateVariables && jsonText(templateVariables, 'templateVariables'),
    thinking: reasoning,
    responsePrefix,
  })
}

function gap(prompt: InfillPrompt): NativePrompt {
  check.checkOptions('infill', prompt, gapFields)
  check.required('infill', prompt, 'suffix')
  const { prefix, suffix, files = [], path, repository } = prompt
  for (const file of files) {
    check.checkOptions('a file of an infill', file, fileFields)
    check.required('a file of an infill', file, 'path')
    check.required('a file of an infill', file, 'text')
  }
  return present({ type: 'Infill' as const, prefix, suffix, files: files.map(({ path, text }) => ({ path, text })), path, repository })
}

function nativeSampling({ logitBias, bannedTokens, drySequenceBreakers, chain, ...rest }: SamplingOptions): NativeSampling {
  return present({
    ...rest,
    drySequenceBreakers: drySequenceBreakers && [...drySequenceBreakers],
    bannedTokens: bannedTokens?.filter((token) => typeof token === 'number'),
    bannedTexts: bannedTokens?.filter((token) => typeof token === 'string'),
    logitBias: logitBias && Object.entries(logitBias).map(([token, bias]) => ({ token: Number(token), bias })),
    chain: chain && [...chain],
  })
}

/** Token ids or positions as a plain array; what is not a 32-bit integer would reach the engine as another one. */
export function ids(tokens: readonly number[] | Uint32Array, name = 'tokens'): number[] {
  if (!Array.isArray(tokens) && !(tokens instanceof Uint32Array)) {
    throw new WickError('invalid-request', `${name} must be an array of numbers or a Uint32Array.`)
  }
  const wrong = tokens.findIndex((id) => !Number.isInteger(id) || id < 0 || id > 0xffff_ffff)
  if (wrong === -1) return [...tokens]
  throw new WickError('invalid-request', `${name}[${wrong}] must be an integer from 0 to 4294967295.`)
}

/** `fields` without those that are `undefined`: the engine reads a field that is there. */
function present<Fields extends object>(fields: Fields): Present<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<Fields>
}

type Present<Fields> = {
  [Name in keyof Fields as undefined extends Fields[Name] ? never : Name]: Fields[Name]
} & {
  [Name in keyof Fields as undefined extends Fields[Name] ? Name : never]?: Exclude<Fields[Name], undefined>
}
