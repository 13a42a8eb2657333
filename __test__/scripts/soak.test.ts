import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { difference, differenceBefore } from '../../scripts/soak/compare.mjs'
import { lives } from '../../scripts/soak/lives.mjs'
import { growth } from '../../scripts/soak/memory.mjs'
import { chance } from '../../scripts/soak/random.mjs'

const soak = join(import.meta.dirname, '../../scripts/soak.mjs')
const run = (...args: string[]) => promisify(execFile)(process.execPath, [soak, ...args], { timeout: 60_000 })

const quiet = { ids: [1, 2, 3], text: 'abc', reason: 'stop', completionTokens: 4, promptTokens: 9 }
const refused = { ids: [], text: '', error: 'context-overflow' }

describe('the soak sees', () => {
  it.each([
    { what: 'another token', seen: { ...quiet, ids: [1, 7, 3] }, message: 'token 1 is 7 where it is 2' },
    { what: 'a missing token', seen: { ...quiet, ids: [1, 2] }, message: 'token 2 is missing where it is 3' },
    { what: 'a token too many', seen: { ...quiet, ids: [1, 2, 3, 4] }, message: 'token 3 is 4 where it is none' },
    { what: 'another text of the same tokens', seen: { ...quiet, text: 'abd' }, message: 'text is "abd"' },
    { what: 'another end', seen: { ...quiet, reason: 'length' }, message: 'reason is "length"' },
    { what: 'another prompt', seen: { ...quiet, promptTokens: 8 }, message: 'promptTokens is 8' },
    { what: 'a failure', seen: { ...quiet, error: 'busy' }, message: 'error is "busy"' },
  ])('$what', ({ seen, message }) => expect(difference(quiet, seen)).toContain(message))

  it('nothing where answers are the same, refusals too', () => {
    expect(difference(quiet, structuredClone(quiet))).toBeUndefined()
    expect(difference(refused, structuredClone(refused))).toBeUndefined()
    expect(difference(refused, quiet)).toContain('token 0 is 1 where it is none')
  })

  it.each([
    { what: 'nothing', ids: [], wrong: false },
    { what: 'a beginning', ids: [1, 2], wrong: false },
    { what: 'all', ids: [1, 2, 3], wrong: false },
    { what: 'another token', ids: [1, 3], wrong: true },
    { what: 'more', ids: [1, 2, 3, 4], wrong: true },
  ])('whether $what of an aborted answer is right', ({ ids, wrong }) => {
    expect(differenceBefore(quiet, { ids, text: '' }) !== undefined).toBe(wrong)
  })

  const memory = (of: (at: number) => number) => Array.from({ length: 50 }, (_, at) => ({ ms: at * 1000, bytes: of(at) }))
  it.each([
    { what: 'a leak', of: (at: number) => 100 + at * 0.1, grown: 0.039 / 1.01 },
    { what: 'a leak in noise', of: (at: number) => 100 + at * 0.1 + (at % 2), grown: 0.0384 },
    { what: 'no leak in noise', of: (at: number) => 100 + (at % 3), grown: 0 },
    { what: 'no leak in one high value', of: (at: number) => (at === 30 ? 110 : 100), grown: 0 },
    { what: 'no leak in a warm-up', of: (at: number) => Math.min(100, 50 + at * 6), grown: 0 },
  ])('$what of memory', ({ of, grown }) => {
    expect(growth(memory(of))).toBeCloseTo(grown, 2)
  })

  it('no growth in too few looks', () => expect(growth(memory(() => 1).slice(0, 2))).toBeNaN())
})

describe('the lives of the soak', () => {
  const of = { count: 200, windowTokens: 512, vocabSize: 2560, chats: true }

  it('follow from the seed', () => {
    expect(lives(3, of)).toEqual(lives(3, of))
    expect(lives(3, of)).not.toEqual(lives(4, of))
  })

  it('are of all kinds', () => {
    const turns = lives(3, of).flatMap((life) => life.turns)
    expect(new Set(lives(3, of).map(({ kind }) => kind))).toEqual(new Set(['talk', 'raw']))
    expect(new Set(turns.map(({ overflow }) => overflow))).toEqual(new Set(['error', 'shift', 'halve']))
    const lengths = turns.flatMap(({ options }) => ('raw' in options ? [(options as { raw: { tokens: number[] } }).raw.tokens.length] : []))
    expect(Math.max(...lengths)).toBe(511)
    expect(Math.min(...lengths)).toBeGreaterThan(0)
  })

  it('are raw where the model has no template', () => {
    expect(lives(3, { ...of, chats: false }).every(({ kind }) => kind === 'raw')).toBe(true)
  })

  it('come of chance that is even', () => {
    const random = chance(7)
    const drawn = Array.from({ length: 6000 }, () => random.integer(2, 4))
    for (const value of [2, 3, 4]) expect(drawn.filter((one) => one === value).length / 6000).toBeCloseTo(1 / 3, 1)
    expect(drawn.every((one) => [2, 3, 4].includes(one))).toBe(true)
  })
})

describe('the soak', () => {
  it('is through with a crowd: nothing stuck, nothing grown, no other token', { timeout: 60_000 }, async () => {
    const { stdout } = await run('--minutes', '0.15', '--seed', '6', '--growth', '50')
    expect(stdout).toMatch(/lives: \d{2,}/)
    for (const done of ['asked', 'forked', 'restored', 'left', 'aborted at a part', 'aborted at a time', 'read slowly', 'prepared']) {
      expect(stdout, done).toContain(`${done}: `)
    }
    expect(stdout).toMatch(/preemptions: [1-9]/)
    expect(stdout).toMatch(/from the cache: [1-9]/)
    expect(stdout).toMatch(/drafted tokens taken: [1-9]/)
  })

  it.each([['--minutes', '0'], ['--seed', 'x'], ['--users', '0'], ['--growth', '-1'], ['--fast']])('refuses %s %s', async (...args) => {
    await expect(run(...args)).rejects.toMatchObject({ code: 2 })
  })
})
