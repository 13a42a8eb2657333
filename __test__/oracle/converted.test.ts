/**
 * GGUF files that `wick convert` writes.
 *
 * That wick reads back what it wrote says little: an error made twice cancels out. So llama.cpp has run the same files, byte for
 * byte, and its tokens are in fixtures/converted/expected.json (tools/fixtures/converted.mjs).
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { convert } from '../../src/index.js'
import type { WeightsDtype } from '../../src/index.js'
import { backends, checkpoints, exactly, expectedOf, expectForced, expectTransformers, fixtures, greedy, ids, json, type PeerAnswer, withModel } from './answers.js'

const folder = mkdtempSync(join(tmpdir(), 'wick-converted-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Writes the GGUF file of a checkpoint; without `dtype` its matrices are as stored. */
async function converted(checkpoint: string, dtype?: WeightsDtype): Promise<string> {
  const to = join(folder, `${checkpoint}.${dtype ?? 'stored'}.gguf`)
  await convert({ from: join(fixtures, 'checkpoints', checkpoint), to, dtype })
  return to
}

describe.each(checkpoints)('%s, converted', (checkpoint) => {
  const expected = expectedOf(checkpoint)

  it.each(backends)('answers on %s as transformers does from the folder', async (backend) => {
    for (const dtype of [undefined, 'f32'] as const) {
      await withModel(await converted(checkpoint, dtype), exactly(backend), async (model) => {
        expect([...model.tokenize(expected.prompt, { addSpecial: true })]).toEqual(expected.prompt_ids)
        expectTransformers(await greedy(model, { text: expected.prompt }), expected)
        if (expected.bos_greedy_ids) expect(ids(await greedy(model, { text: '' }))).toEqual(expected.bos_greedy_ids)
      })
    }
  })
})

type Answer = PeerAnswer & { dtype: WeightsDtype; sha256: string }

describe.each(json('converted', 'expected.json') as Answer[])('$file in llama.cpp', ({ checkpoint, dtype, sha256, greedy: fromPrompt, bos_greedy, prompt_ids }) => {
  it('is the file that wick writes', async () => {
    const written = createHash('sha256').update(readFileSync(await converted(checkpoint, dtype))).digest('hex')
    expect(written, 'the converter writes something else now: run tools/fixtures/converted.mjs').toBe(sha256)
  })

  it('is cut into the tokens of transformers, and answers with them', () => {
    const expected = expectedOf(checkpoint)
    expect(prompt_ids).toEqual(expected.prompt_ids)
    if (dtype === 'f32') expect([fromPrompt.ids, bos_greedy?.ids ?? null]).toEqual([expected.greedy_ids, expected.bos_greedy_ids])
  })

  it.each(backends)('chooses what wick on %s chooses', async (backend) => {
    await withModel(await converted(checkpoint, dtype), exactly(backend), async (model) => {
      await expectForced(model, prompt_ids, fromPrompt)
      if (bos_greedy) await expectForced(model, prompt_ids.slice(0, 1), bos_greedy)
    })
  })
})
