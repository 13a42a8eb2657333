/** Files that are broken on purpose: an answer or a typed error each, no crash, no hang. */
import { describe, expect, it } from 'vitest'
import { isWickErrorCode } from '../../src/errors/index.js'
import { child, well } from './child.js'

/** What a program says of a case: that it begins it, then what came of it. */
interface Case {
  readonly seed: number
  readonly outcome?: string
  readonly ms?: number
}

describe('two hundred mutations', { timeout: 120_000 }, () => {
  it.each([
    // What each kind must meet among others, so that the mutations are neither all fatal nor all harmless.
    { kind: 'gguf', among: ['answered', 'model-invalid', 'unsupported'] },
    { kind: 'tokenizer', among: ['answered', 'model-invalid', 'unsupported'] },
    { kind: 'template', among: ['answered', 'model-invalid', 'invalid-request', 'context-overflow'] },
  ])('of a $kind end in an answer or a typed error', async ({ kind, among }) => {
    const { reports, ...ended } = await child<Case>('mutations', { args: [kind, '0', '200'], silenceMs: 20_000 })
    // The last report names the case that crashed or hung.
    expect({ ...ended, last: reports.at(-1) }).toMatchObject({ ...well, last: { seed: 199, outcome: expect.any(String) } })
    const outcomes = reports.flatMap(({ outcome }) => (outcome === undefined ? [] : [outcome]))
    expect(outcomes).toHaveLength(200)
    expect(outcomes.filter((outcome) => outcome !== 'answered' && !isWickErrorCode(outcome))).toEqual([])
    expect([...new Set(outcomes)]).toEqual(expect.arrayContaining(among))
    console.log(`${kind}: ${[...new Set(outcomes)].map((outcome) => `${outcomes.filter((one) => one === outcome).length} ${outcome}`).join(', ')}`)
  })
})

describe('a file that changes while it is mapped', { timeout: 60_000 }, () => {
  it.each(['cut', 'emptied', 'overwritten', 'deleted', 'replaced'])('and is %s harms no process', async (change) => {
    const { reports, ...ended } = await child<{ outcome: string }>('changed-file', { args: [change] })
    expect(ended).toMatchObject(well)
    expect(reports.at(-1)?.outcome).toSatisfy((outcome: string) => outcome === 'answered' || isWickErrorCode(outcome))
  })
})
