/** GGUF files by another writer than ours (PyPI's gguf), held to llama.cpp and, where weights are not rounded, to transformers. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { backends, exactly, expectedOf, expectForced, expectTransformers, fixtures, greedy, ids, json, type PeerAnswer, wick, withModel } from './answers.js'

const answers = json('foreign', 'expected.json') as PeerAnswer[]
const exact = answers.filter(({ file }) => /\.f32\.gguf$/.test(file))
const path = (file: string) => join(fixtures, 'foreign', file)

describe.each(answers)('$file', ({ file, checkpoint, prompt_ids: prompt, greedy: fromPrompt, bos_greedy: fromStart }) => {
  it.each(backends)('on %s: along llama.cpp\'s tokens the same choice wherever it is clear', async (backend) => {
    await withModel(path(file), exactly(backend), async (model) => {
      await expectForced(model, prompt, fromPrompt)
      if (fromStart) await expectForced(model, prompt.slice(0, 1), fromStart)
    })
  })

  it('cuts the prompt as llama.cpp does', async () => {
    await withModel(path(file), { vocabOnly: true }, async (model) => {
      expect([...model.tokenize(expectedOf(checkpoint).prompt, { addSpecial: true })]).toEqual(prompt)
    })
  })
})

describe.each(answers.filter(({ file }) => /\.f(32|16)\.gguf$/.test(file)))('$file', ({ file, checkpoint, prompt_ids, greedy: fromPrompt }) => {
  it.each(backends)('on %s: llama.cpp\'s tokens, and transformers\' log-probabilities', async (backend) => {
    await withModel(path(file), exactly(backend), async (model) => {
      const tokens = await greedy(model, { tokens: prompt_ids })
      expect(ids(tokens)).toEqual(fromPrompt.ids)
      expectTransformers(tokens, expectedOf(checkpoint))
    })
  })
})

describe.each(exact)('wick run $file', ({ file, checkpoint, bos_greedy: fromStart, greedy: fromPrompt }) => {
  const run = ['run', '--raw', '--temperature', '0', '--max-tokens', '24', '--json', path(file)]

  it('from the beginning of text: llama.cpp\'s tokens', async () => {
    expect(ids(await wick(...run, ''))).toEqual(fromStart?.ids)
  })

  it('after a text: llama.cpp\'s tokens', async () => {
    expect(ids(await wick(...run, expectedOf(checkpoint).prompt))).toEqual(fromPrompt.ids)
  })
})
