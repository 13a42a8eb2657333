/** `wick support` on the real tables: every row has a claim, and every claim a fixture behind it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { architectures, templates, untested, vectors } from '../../src/cli/oracles.js'
import { support } from '../../src/index.js'

const root = join(import.meta.dirname, '../..')
const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'))
const known = await support()

describe('architectures', () => {
  const checkpoints = readdirSync(join(root, '__test__/fixtures/checkpoints'))
  const classOf = (name: string) => (read(`__test__/fixtures/checkpoints/${name}/config.json`) as { architectures: string[] }).architectures[0]
  const converted = (read('__test__/fixtures/converted/expected.json') as Array<{ checkpoint: string }>).map(({ checkpoint }) => checkpoint)

  it('each have a claim, and no claim is of another', () => {
    expect(Object.keys(architectures).toSorted()).toEqual(known.architectures.map((row) => row.class).toSorted())
  })

  it.each(Object.entries(architectures))('%s is tested against %s', (name, tested) => {
    const own = checkpoints.filter((checkpoint) => classOf(checkpoint) === name)
    expect(own).not.toEqual([])
    if (tested.includes('llama.cpp')) expect(own.some((checkpoint) => converted.includes(checkpoint))).toBe(true)
  })
})

describe('pre-tokenizers', () => {
  const cuts = (read('crates/text/tests/fixtures/cuts.json') as { rows: Array<{ names: string[] }> }).rows.flatMap(({ names }) => names)

  it('are those that the fixture holds to llama.cpp, but for the untested', () => {
    const names = known.preTokenizers.flat()
    expect(names.filter((name) => !cuts.includes(name))).toEqual(untested)
    expect(vectors.filter((name) => !names.includes(name))).toEqual([])
  })
})

describe('templates', () => {
  it('are those that the oracle found no difference in', () => {
    const rendered = read('tools/oracle/templates.json') as Array<{ name: string; differences: number }>
    expect(templates).toEqual(rendered.filter(({ differences }) => differences === 0).map(({ name }) => name))
  })
})

describe('types', () => {
  it('are computed with, or only named', () => {
    expect(known.types).toEqual(expect.arrayContaining(['F32', 'BF16', 'Q8_0', 'Q4_K', 'IQ4_XS', 'NVFP4']))
    expect(known.otherTypes).toEqual(expect.arrayContaining(['IQ2_S', 'TQ1_0']))
    expect(known.types.filter((name) => known.otherTypes.includes(name))).toEqual([])
  })
})
