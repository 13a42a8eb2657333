/** What wick and its oracles answer to the fixtures, and the comparisons between them. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { generate, load, type LocalModel, type LoadOptions, type RawPrompt, type StreamPart, type TokenInfo } from '../../src/index.js'

const root = join(import.meta.dirname, '../..')
export const fixtures = join(root, '__test__/fixtures')
export const backends = ['cpu', 'candle', 'reference'] as const
export type Backend = (typeof backends)[number]

/** As exact as the backend can be: with keys and values as they are computed, which the others have anyway. */
export const exactly = (backend: Backend): LoadOptions => (backend === 'cpu' ? { backend, kvType: 'f32' } : { backend })

/** What transformers answers: an expected.json of tools/fixtures/checkpoints.py. */
export interface Expected {
  prompt: string
  prompt_ids: number[]
  greedy_ids: number[]
  bos_greedy_ids: number[] | null
  steps: Array<{ chosen: [id: number, logprob: number]; top: Array<[id: number, logprob: number]> }>
}

/** What llama.cpp answers to a file: an entry that tools/fixtures/peer.mjs writes. */
export interface PeerAnswer {
  file: string
  checkpoint: string
  prompt_ids: number[]
  greedy: PeerRun
  bos_greedy: PeerRun | null
}

/** Greedy ids, and by how much each won over the runner-up, in logits. */
export interface PeerRun {
  ids: number[]
  gaps: number[]
}

export const json = (...path: string[]) => JSON.parse(readFileSync(join(fixtures, ...path), 'utf8')) as unknown
export const checkpoints = readdirSync(join(fixtures, 'checkpoints'), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
export const expectedOf = (checkpoint: string) => json('checkpoints', checkpoint, 'expected.json') as Expected

/** The tokens of an answer that `wick` streams on the command line. */
export async function wick(...args: string[]): Promise<TokenInfo[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'bin/wick.js'), ...args])
  const parts = stdout.trim().split('\n').map((line) => JSON.parse(line) as StreamPart)
  return parts.flatMap((part) => (part.type === 'text-delta' ? [...(part.tokens ?? [])] : []))
}

/** Loads a model for the time of `work`. */
export async function withModel<Value>(path: string, options: LoadOptions, work: (model: LocalModel) => Promise<Value>): Promise<Value> {
  const model = await load(path, options)
  try {
    return await work(model)
  } finally {
    await model.close()
  }
}

/** 24 greedy tokens, over ends of text too, with the five most probable of each step. */
export async function greedy(model: LocalModel, raw: RawPrompt): Promise<readonly TokenInfo[]> {
  const answer = await generate({ model, raw, temperature: 0, maxTokens: 24, ignoreEnd: true, logprobs: 5 }).collect()
  return answer.tokens ?? []
}

export const ids = (tokens: readonly TokenInfo[]) => tokens.map(({ id }) => id)

/** `tokens` are transformers' choices, and the five best of each step are the same, within 2e-3. */
export function expectTransformers(tokens: readonly TokenInfo[], { greedy_ids, steps }: Expected): void {
  expect(ids(tokens)).toEqual(greedy_ids)
  for (const [step, { top }] of steps.entries()) {
    expect(tokens[step]?.top.map(({ id }) => id)).toEqual(top.map(([id]) => id))
    const distances = top.map(([, logprob], rank) => Math.abs(logprob - (tokens[step]?.top[rank]?.logprob ?? NaN)))
    expect(Math.max(...distances)).toBeLessThan(2e-3)
  }
}

/**
 * From what gap on a choice is clear. llama.cpp multiplies quantised weights with activations that it rounds to eight bits; the
 * reference keeps them exact, and then more is open.
 */
const clearGap = ({ info }: LocalModel) => (info.backend === 'reference' && !/^(F|BF)/.test(info.weightsDtype) ? 0.2 : 0.1)

/** Along the peer's own tokens the model would choose the same wherever the peer's choice was clear. */
export async function expectForced(model: LocalModel, start: readonly number[], { ids, gaps }: PeerRun): Promise<void> {
  const positions = ids.map((_, step) => start.length - 1 + step)
  const rows = await model.evaluate([...start, ...ids.slice(0, -1)], { positions })
  const chosen = rows.map((row) => row.reduce((best, logit, id) => (logit > (row[best] ?? NaN) ? id : best), 0))
  const clear = gaps.map((won) => won > clearGap(model))
  expect(clear.filter(Boolean).length).toBeGreaterThan(ids.length / 2)
  expect(chosen.map((id, step) => (clear[step] ? id : null))).toEqual(ids.map((id, step) => (clear[step] ? id : null)))
}
