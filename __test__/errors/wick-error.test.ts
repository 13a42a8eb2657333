import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { check, isWickError, isWickErrorCode } from '../../src/errors/index.js'
import { WickError } from '../../src/index.js'

describe('WickError', () => {
  it('carries code, message, cause and figures', () => {
    const cause = new Error('below')
    const error = new WickError('context-overflow', 'Too long.', { cause, detail: { promptTokens: 9 } })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'WickError', code: 'context-overflow', message: 'Too long.', cause, detail: { promptTokens: 9 } })
  })

  it.each([
    ['busy', true],
    ['rate-limited', true],
    ['timeout', true],
    ['provider', true],
    ['invalid-request', false],
    ['cancelled', false],
    ['internal', false],
  ] as const)('%s: retryable %s, unless said otherwise', (code, retryable) => {
    expect(new WickError(code, '').retryable).toBe(retryable)
    expect(new WickError(code, '', { retryable: !retryable }).retryable).toBe(!retryable)
  })

  it('shows name, code and figures when inspected, and in JSON', () => {
    const error = new WickError('busy', 'No room.', { detail: { sessions: 4 } })
    const shown = inspect(error)
    expect(shown).toMatch(/^WickError: No room\./)
    expect(shown).toContain("code: 'busy'")
    expect(shown).toContain('sessions: 4')
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name: 'WickError', code: 'busy', message: 'No room.', retryable: true, detail: { sessions: 4 } })
  })

  it('is known by its brand, also from another copy of the package', () => {
    const twin = Object.assign(Object.create({ [Symbol.for('wick.error')]: true }) as object, { code: 'closed' })
    expect(isWickError(twin)).toBe(true)
    expect(isWickError(twin, 'closed')).toBe(true)
    expect(isWickError(twin, 'busy')).toBe(false)
    for (const other of [new Error('x'), null, undefined, 'busy', { code: 'busy' }]) expect(isWickError(other)).toBe(false)
  })

  it('knows its codes', () => {
    expect(isWickErrorCode('out-of-memory')).toBe(true)
    expect(isWickErrorCode('toString')).toBe(false)
  })
})

describe('checks', () => {
  it.each<[string, check.Check, unknown[], unknown[]]>([
    ['number', check.number({ min: 0, max: 1 }), [0, 0.5, 1], [-0.1, 1.1, NaN, Infinity, '1', null]],
    ['number above', check.number({ above: 0 }), [0.1, 9], [0, -1, NaN]],
    ['integer', check.integer({ min: 1 }), [1, 2 ** 53 - 1], [0, 1.5, 2 ** 53, '1']],
    ['text', check.text, ['', 'a'], [1, null, {}]],
    ['someText', check.someText, ['a'], ['', 1]],
    ['flag', check.flag, [true, false], [0, 'true', null]],
    ['callable', check.callable, [() => {}], [{}]],
    ['object', check.object, [{}], [null, [], 'a']],
    ['signal', check.signal, [new AbortController().signal], [{}, new AbortController()]],
    ['oneOf', check.oneOf('a', 'b'), ['a', 'b'], ['c', 1]],
    ['listOf', check.listOf(check.flag), [[], [true]], [[1], {}]],
    ['either', check.either('a flag or a text', check.flag, check.text), [true, ''], [1]],
  ])('%s takes what it says and refuses the rest by name', (_, take, good, bad) => {
    for (const value of good) expect(() => take('option', value)).not.toThrow()
    for (const value of bad) expect(() => take('option', value)).toThrow(/^option(\[0\])? must be /)
  })

  it('never quotes a text', () => {
    expect(() => check.number()('temperature', 'my secret')).toThrow('temperature must be a number, got a string.')
    expect(() => check.oneOf('a', 'b')('mode', 'my secret')).toThrow("mode must be 'a' or 'b', got a string.")
  })

  it('says the range', () => {
    expect(() => check.number({ above: 0, max: 1 })('topP', 2)).toThrow('topP must be a number > 0 and ≤ 1, got 2.')
    expect(() => check.integer({ min: 1 })('n', 0)).toThrow('n must be an integer ≥ 1, got 0.')
    expect(() => check.integer({ min: 0, max: 20 })('logprobs', 21)).toThrow('logprobs must be an integer from 0 to 20, got 21.')
  })

  it('refuses what nobody reads, and takes undefined for absent', () => {
    const rows = { seed: check.integer() }
    expect(() => check.checkOptions('verb', { seed: undefined }, rows)).not.toThrow()
    expect(() => check.checkOptions('verb', { sead: 1 }, rows)).toThrow('verb has no option "sead". It has: seed.')
    expect(() => check.checkOptions('verb', { __proto__: null, toString: 1 }, rows)).toThrow('no option "toString"')
    expect(() => check.checkOptions('verb', null, rows)).toThrow('The options of verb must be an object, got null.')
  })
})
