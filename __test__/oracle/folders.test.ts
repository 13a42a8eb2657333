/** Hugging Face folders, held to transformers: the same tokens, the same five best at every step. */
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { backends, checkpoints, expectedOf, expectTransformers, fixtures, wick } from './answers.js'

describe.each(checkpoints)('wick run checkpoints/%s', (checkpoint) => {
  it.each(backends)('on %s answers as transformers', async (backend) => {
    const expected = expectedOf(checkpoint)
    const run = ['run', '--raw', '--temperature', '0', '--max-tokens', '24', '--logprobs', '5', '--json', '--backend', backend]
    if (backend === 'cpu') run.push('--kv-type', 'f32')
    expectTransformers(await wick(...run, join(fixtures, 'checkpoints', checkpoint), expected.prompt), expected)
  })
})
