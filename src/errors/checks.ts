/**
 * Checks of options a user writes: what is wrong is `invalid-request`, by name.
 *
 * A call's options are checked against a table with one row an option, so an option that nobody reads cannot be given. Values
 * are shown only where they are numbers or one of a few words: texts may be prompts.
 */
import { WickError } from './wick-error.js'

/** Throws unless `value` is what `name` takes. */
export type Check = (name: string, value: unknown) => void

/** Where a number has to lie; bounds belong to the range unless named `above`. */
export interface Range {
  readonly min?: number
  readonly above?: number
  readonly max?: number
}

function refuse(name: string, wanted: string, value: unknown): never {
  throw new WickError('invalid-request', `${name} must be ${wanted}, got ${shown(value)}.`)
}

function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function within(value: number, { min = -Infinity, above = -Infinity, max = Infinity }: Range): boolean {
  return value >= min && (value > above || above === -Infinity) && value <= max
}

function rangeText({ min, above, max }: Range): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`
  const lower = above === undefined ? (min === undefined ? '' : ` ≥ ${min}`) : ` > ${above}`
  return lower + (max === undefined ? '' : `${lower && ' and'} ≤ ${max}`)
}

/** A finite number. */
export const number = (range: Range = {}): Check => (name, value) => {
  if (typeof value === 'number' && Number.isFinite(value) && within(value, range)) return
  refuse(name, `a number${rangeText(range)}`, value)
}

/** A whole number that a double holds exactly. */
export const integer = (range: Range = {}): Check => (name, value) => {
  if (Number.isSafeInteger(value) && within(value as number, range)) return
  refuse(name, `an integer${rangeText(range)}`, value)
}

/** Any string. */
export const text: Check = (name, value) => {
  if (typeof value !== 'string') refuse(name, 'a string', value)
}

/** A string with something in it. */
export const someText: Check = (name, value) => {
  if (typeof value !== 'string' || value === '') refuse(name, 'a string that is not empty', value === '' ? undefined : value)
}

/** true or false. */
export const flag: Check = (name, value) => {
  if (typeof value !== 'boolean') refuse(name, 'true or false', value)
}

/** A function. */
export const callable: Check = (name, value) => {
  if (typeof value !== 'function') refuse(name, 'a function', value)
}

/** An object that is not an array. */
export const object: Check = (name, value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(name, 'an object', value)
}

/** Something that aborts. */
export const signal: Check = (name, value) => {
  if (!(value instanceof AbortSignal)) refuse(name, 'an AbortSignal', value)
}

/** One of a few words. */
export const oneOf = (...words: readonly string[]): Check => (name, value) => {
  if (typeof value === 'string' && words.includes(value)) return
  refuse(name, words.map((word) => `'${word}'`).join(' or '), value)
}

/** What one of `checks` takes; `wanted` says it in words. */
export const either = (wanted: string, ...checks: readonly Check[]): Check => (name, value) => {
  const takes = (check: Check): boolean => {
    try {
      check(name, value)
      return true
    } catch {
      return false
    }
  }
  if (!checks.some(takes)) refuse(name, wanted, value)
}

/** An array of what `item` takes. */
export const listOf = (item: Check): Check => (name, value) => {
  if (!Array.isArray(value)) refuse(name, 'an array', value)
  value.forEach((one, index) => item(`${name}[${index}]`, one))
}

/**
 * Throws unless `options` is an object whose every field has a row in `rows` and is what the row takes. Fields that are
 * `undefined` are as good as absent.
 */
export function checkOptions(verb: string, options: unknown, rows: Readonly<Record<string, Check>>): void {
  object(`The options of ${verb}`, options)
  for (const [name, value] of Object.entries(options as object)) {
    if (!Object.hasOwn(rows, name)) {
      const known = Object.keys(rows).join(', ')
      throw new WickError('invalid-request', `${verb} has no option ${JSON.stringify(name.slice(0, 64))}. It has: ${known}.`)
    }
    if (value !== undefined) rows[name]?.(name, value)
  }
}

/** Throws unless `options` has every one of `names`. */
export function required<Options extends object>(verb: string, options: Options, ...names: (keyof Options & string)[]): void {
  const missing = names.filter((name) => options[name] === undefined)
  if (missing.length > 0) throw new WickError('invalid-request', `${verb} needs ${missing.join(' and ')}.`)
}
