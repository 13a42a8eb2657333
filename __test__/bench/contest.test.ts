import { describe, expect, it } from 'vitest'
import { contest } from '../../bench/contest.mjs'
import { prompt } from '../../bench/pure/prompt.mjs'

/** Contestants that give the values they are told, one a round, and write down whose turn it was. */
function scripted(values: Record<string, number[]>) {
  const turns: string[] = []
  const contestants = Object.entries(values).map(([name, rounds]) => {
    const [engine = name, variant] = name.split(' ')
    const run = async (round: number) => {
      turns.push(name)
      return rounds[round] ?? NaN
    }
    return { engine, ...(variant !== undefined && { variant: { variant } }), run }
  })
  return { contestants, turns }
}

const options = { rounds: 3, seconds: 60 }

describe('engines in turn', () => {
  it('begin each round with another', async () => {
    const { contestants, turns } = scripted({ a: [1, 1, 1], b: [2, 2, 2], c: [3, 3, 3] })
    await contest(contestants, options)
    expect(turns.join('')).toBe('abcbcacab')
  })

  it('count by the median of their best variant', async () => {
    const { contestants } = scripted({ a: [10, 30, 20], 'b off': [5, 6, 7], 'b on': [5.5, 6.5, 100] })
    const results = await contest(contestants, options)
    expect(results).toMatchObject([
      { engine: 'a', median: 20, values: [10, 30, 20] },
      { engine: 'b', median: 6.5, variant: { variant: 'on' } },
    ])
  })

  it.each([
    { what: 'more', less: false, values: { 'a off': [10, 10, 10], 'a on': [8, 50, 50] }, winner: 'off' },
    { what: 'less', less: true, values: { 'a off': [10, 10, 10], 'a on': [12, 1, 1] }, winner: 'off' },
  ])('leave out a variant that is far behind where $what is better', async ({ less, values, winner }) => {
    const { contestants, turns } = scripted(values)
    const [result] = await contest(contestants, { ...options, less })
    expect(turns.filter((name) => name === 'a on')).toHaveLength(1)
    expect(result).toMatchObject({ median: 10, variant: { variant: winner } })
  })

  it('have one round where there is no time for more', async () => {
    const { contestants, turns } = scripted({ a: [1, 1, 1], b: [2, 2, 2] })
    await contest(contestants, { rounds: 3, seconds: 0 })
    expect(turns).toEqual(['a', 'b'])
  })
})

describe('prompts of the bench', () => {
  it('begin with another token each, and are the same for every engine', () => {
    const all = Array.from({ length: 200 }, (_, salt) => prompt(16, salt, 1000))
    expect(new Set(all.map((tokens) => tokens[0])).size).toBe(200)
    expect(prompt(16, 7, 1000)).toEqual(all[7])
    expect(all.flat().every((id) => id >= 259 && id < 1000)).toBe(true)
  })
})
