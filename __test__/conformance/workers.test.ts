/** Models in worker threads, which may end at any moment. */
import { describe, expect, it } from 'vitest'
import { child, well } from './child.js'
import { subjects } from './subjects.js'

describe.each(subjects)('$name', { timeout: 60_000 }, ({ name }) => {
  const scene = (which: string) => child('workers', { args: [name, which] })

  it('survives a worker that is terminated mid-generation, and goes on in the main thread', async () => {
    const { reports, ...ended } = await scene('terminates one in its stream')
    expect(ended).toMatchObject(well)
    expect(reports).toEqual([{ same: true }, { same: true }, { models: 1 }])
  })

  it('is loaded in workers alone, which end in every way', async () => {
    const { reports, ...ended } = await scene('loads in workers alone')
    expect(ended).toMatchObject(well)
    const said = [expect.any(String)]
    expect(reports).toEqual([{ code: 0, said }, { code: 0, said }, { code: 3, said: [] }, { models: 0 }])
  })

  it('says the same in several workers at once', async () => {
    const { reports, ...ended } = await scene('runs several at once')
    expect(ended).toMatchObject(well)
    expect(reports).toEqual([{ same: [true, true, true, true], codes: [0, 0, 0, 0] }])
  })

  it('survives workers that are terminated at any moment', async () => {
    const { reports, ...ended } = await scene('terminates them at any moment')
    expect(ended).toMatchObject(well)
    expect(reports.at(-1)).toEqual({ models: 0 })
  })

  it('ends with workers at work', async () => {
    const { reports, msToEnd, ...ended } = await scene('ends the process with workers at work')
    expect(ended).toMatchObject({ ...well, code: 7 })
    expect(msToEnd).toBeLessThan(5000)
  })
})
