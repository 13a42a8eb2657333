/** What a model means to the process it is in. */
import { describe, expect, it } from 'vitest'
import { child, well } from './child.js'
import { subjects } from './subjects.js'

const MiB = 1024 * 1024
/** A program takes its second; a machine with other work more. */
const timeout = 60_000

describe.each(subjects)('$name', { timeout }, ({ name }) => {
  it.each(['exit-in-stream', 'exit-in-prefill', 'exit-in-load', 'exit-in-close'])('keeps the exit code, and is quick: %s', async (part) => {
    const { code, signal, err, reports, msToEnd } = await child('process', { args: [name, part] })
    expect({ code, signal, err, reports }).toEqual({ code: 7, signal: null, err: '', reports: ['exit'] })
    expect(msToEnd).toBeLessThan(5000)
  })

  it('comes to rest while nothing is asked of it and its reader is behind', async () => {
    const { reports, ...ended } = await child<number>('process', { args: [name, 'comes-to-rest'] })
    expect(ended).toMatchObject(well)
    expect(reports.at(-1)).toBeLessThanOrEqual(10)
    console.log(`CPU of an idle second: ${reports.at(-1)} ms`)
  })

  it('handles every rejection there is', async () => {
    expect(await child('process', { args: [name, 'ends-early'] })).toMatchObject({ ...well, reports: [4] })
  })

  it('fails the request that panics with internal, and no other', async () => {
    const { err, reports, ...ended } = await child('process', { args: [name, 'panics'], env: { WICK_TEST_FAULT: 'panic' } })
    expect(ended).toMatchObject({ code: 0, signal: null })
    expect(err.match(/WICK_TEST_FAULT=panic/g)?.length).toBeGreaterThan(3)
    const [{ answers }, { parts, code }, { beside }, { others }, { models }] = reports as unknown as [
      { answers: string[] },
      { parts: string[]; code: string },
      { beside: string[] },
      { others: string[] },
      { models: number },
    ]
    // Two steps an answer, the fourth step of all fails; a prompt computed before takes fewer steps, not more.
    expect(answers.filter((answer) => answer === 'internal')).toHaveLength(3)
    expect(new Set(answers.filter((answer) => answer !== 'internal')).size).toBe(1)
    expect({ code, parts }).toMatchObject({ code: 'internal', parts: expect.arrayContaining(['start']) })
    expect(parts).not.toContain('finish')
    expect(beside.filter((status) => status === 'fulfilled').length).toBeGreaterThan(1)
    expect(new Set(beside)).toEqual(new Set(['fulfilled', 'internal']))
    expect(others.toSorted()).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'internal'])
    expect(models).toBe(0)
  })
})

describe('ember', { timeout }, () => {
  const args = (part: string) => [subjects[0]?.name ?? '', part]

  it('does not hold the process while it is idle', async () => {
    expect(await child('process', { args: args('idle') })).toMatchObject({ ...well, reports: [expect.any(String)] })
  })

  it('does not hold the process for a stream that nobody reads on', async () => {
    expect(await child('process', { args: args('left-in-stream') })).toMatchObject({ ...well, reports: ['start'] })
  })

  it('holds the process while somebody waits', async () => {
    expect(await child('process', { args: args('waits-for-what-is-asked') })).toMatchObject({ ...well, reports: [100] })
  })

  it('gives threads and memory back a hundred times', async () => {
    // One arena: glibc gives each thread its own and keeps what is freed there, which is no model's doing.
    const { reports, ...ended } = await child('process', { args: args('loads-and-closes'), flags: ['--expose-gc'], env: { MALLOC_ARENA_MAX: '1' } })
    expect(ended).toMatchObject(well)
    const last = reports.at(-1) as { threads: number; models: number; rss: number }
    expect(last).toMatchObject({ threads: 0, models: 0 })
    expect(last.rss).toBeLessThan(12 * MiB)
    console.log(`100 loads and closes: ${(last.rss / MiB).toFixed(1)} MiB more`)
  })

  it('gives threads and memory back to the garbage collector where nobody closes', async () => {
    const { reports, ...ended } = await child('process', { args: args('never-closes'), flags: ['--expose-gc'] })
    expect(ended).toMatchObject(well)
    const [warm, last] = reports as unknown as [boolean, { collected: boolean; rss: number }]
    expect({ warm, collected: last.collected }).toEqual({ warm: true, collected: true })
    expect(last.rss).toBeLessThan(24 * MiB)
  })
})
