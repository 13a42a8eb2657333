/**
 * Readers of flag values: each turns the text of one argument into a value or says what is accepted.
 */
import { InvalidArgumentError } from 'commander'
import type { JsonObject, JsonValue, LoadOptions } from '../index.js'

/** Reads one argument; `earlier` is what a repeatable flag has so far. */
export type Read<V> = (text: string, earlier: V | undefined) => V

/** Ends of a range, both included unless `above` is used for an open lower end. */
export interface Range {
  min?: number
  max?: number
  above?: number
}

/** A finite number of the range. */
export function number(range: Range = {}): Read<number> {
  return (text) => within(text, text.trim() === '' ? NaN : Number(text), range, 'a number')
}

/** A whole number of the range (default: from 0). */
export function integer(range: Range = {}): Read<number> {
  const bounds = { min: 0, max: Number.MAX_SAFE_INTEGER, ...range }
  return (text) => within(text, /^[+-]?\d+$/.test(text) ? Number(text) : NaN, bounds, 'a whole number')
}

const byteUnits = ['', 'k', 'm', 'g', 't']

/** A number of bytes: `1500000000`, `1.5gb` (decimal, as sizes are printed) or `1.4gib` (binary); at least `min` of them. */
export function byteCount({ min }: { min: number }): Read<number> {
  return (text) => {
    const [, amount, unit = '', binary] = /^(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b)?$/i.exec(text) ?? []
    const count = Math.floor(Number(amount) * (binary ? 1024 : 1000) ** byteUnits.indexOf(unit.toLowerCase()))
    if (Number.isSafeInteger(count) && count >= min && (unit !== '' || !binary)) return count
    throw new InvalidArgumentError(`${JSON.stringify(text)} is not a size from ${min}; write bytes, or 512mb, 2gb, 1.5gib.`)
  }
}

/** One of the names. */
export function oneOf<const N extends string>(...names: N[]): Read<N> {
  return (text) => {
    const found = names.find((name) => name === text)
    if (found === undefined) throw new InvalidArgumentError(`Use one of ${names.join(', ')}.`)
    return found
  }
}

/** Some of the names, by commas, in the order they are written. */
export function someOf<const N extends string>(...names: N[]): Read<N[]> {
  const one = oneOf(...names)
  return (text) => text.split(',').map((name) => one(name.trim(), undefined))
}

/** The text itself. */
export const text: Read<string> = (text) => text

/** A text with something in it. */
export const someText: Read<string> = (text) => {
  if (text === '') throw new InvalidArgumentError('It cannot be empty.')
  return text
}

/** A repeatable flag: its values in order. */
export function list<V>(read: Read<V>): Read<V[]> {
  return (text, earlier = []) => [...earlier, read(text, undefined)]
}

/** A token: an id where it is digits, else a text. */
export const token: Read<number | string> = (text) => {
  if (!/^\d+$/.test(text)) return someText(text, undefined)
  if (Number(text) > 0xffff_ffff) throw new InvalidArgumentError(`${text} is not a token id.`)
  return Number(text)
}

/** What guesses tokens ahead, as `load` takes it: a method's name, or else a model. */
export const draft: Read<NonNullable<LoadOptions['draft']>> = (text) => {
  if (text === 'none') return false
  return text === 'prompt-lookup' ? text : { model: someText(text, undefined) }
}

/** `ID=BIAS`, repeatable: token ids and what is added to their logits; `-inf` forbids the token. */
export const bias: Read<Record<number, number>> = (text, earlier) => {
  const [, token, amount] = /^(\d+)=(\S+)$/.exec(text) ?? []
  const value = amount === '-inf' ? -Infinity : Number(amount)
  if (token === undefined || Number.isNaN(value) || value === Infinity) {
    throw new InvalidArgumentError('Write ID=BIAS, a token id and a number or -inf: 13=-2.5')
  }
  return { ...earlier, [Number(token)]: value }
}

/** `KEY=VALUE`, repeatable: the value is JSON, or text where it is not. */
export const metadata: Read<JsonObject> = (text, earlier) => {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Write KEY=VALUE: llama.rope.freq_base=10000')
  const value = text.slice(at + 1)
  try {
    return { ...earlier, [text.slice(0, at)]: JSON.parse(value) as JsonValue }
  } catch {
    return { ...earlier, [text.slice(0, at)]: value }
  }
}

/** Token ids: `1,2,3`, `1 2 3` or `[1, 2, 3]`. */
export const tokenIds: Read<number[]> = (text) => {
  const inner = text.trim().replace(/^\[(.*)\]$/s, '$1').trim()
  const ids = inner === '' ? [] : inner.split(/[\s,]+/)
  return ids.map((id) => {
    if (!/^\d+$/.test(id) || Number(id) > 0xffff_ffff) throw new InvalidArgumentError(`${JSON.stringify(id)} is not a token id; write 1,2,3.`)
    return Number(id)
  })
}

function within(text: string, value: number, { min, max, above }: Range, kind: string): number {
  const fits = Number.isFinite(value) && value >= (min ?? -Infinity) && value <= (max ?? Infinity) && value > (above ?? -Infinity)
  if (fits) return value
  const bounds = [
    above === undefined ? undefined : `above ${above}`,
    min === undefined ? undefined : `from ${min}`,
    max === undefined || max === Number.MAX_SAFE_INTEGER ? undefined : `up to ${max}`,
  ].filter((bound) => bound !== undefined)
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not ${[kind, ...bounds].join(' ')}.`)
}
