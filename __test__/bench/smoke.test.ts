import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const bench = join(import.meta.dirname, '../../bench/bench.mjs')
const run = (...args: string[]) => promisify(execFile)(process.execPath, [bench, ...args], { timeout: 60_000 })

interface Report {
  machine: { commit: string; processor: string }
  engines: Record<string, { threads: number; isa: string }>
  figures: Array<{ measure: string; engine: string; threads: number; unit: string; values: number[]; median: number }>
}

const measures = [
  ...['prefill 64', 'decode', 'first token after 16', 'load and first token', 'resident', 'resident peak', 'Node before the load'],
  ...[1, 2, 4, 8, 16].flatMap((answers) => [`decode, ${answers} at once`, `slowest of ${answers} at once`]),
  'decode, 16 at once, to 8',
  ...['longest gap', 'median gap before', 'median gap of the whole', 'first token', 'first token alone'].map((what) => `join of 300: ${what}`),
  ...['start of another', 'first token of another', 'end of the aborted'].map((what) => `abort in 480: ${what}, worst`),
  'first token after 320 and 24',
  'second turn, first token',
  '12 requests with 200 tokens in common: computed',
  '12 requests with 200 tokens in common: stored',
  'drafts: chat',
  'drafts: chat, sampled',
]

describe('the bench', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wick-bench-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('measures wick through its public face, and says of what and where', { timeout: 60_000 }, async () => {
    const json = join(folder, 'smoke.json')
    const { stdout, stderr } = await run('--smoke', '--json', json)
    const report = JSON.parse(await readFile(json, 'utf8')) as Report
    expect(report.figures.map(({ measure }) => measure)).toEqual(expect.arrayContaining(measures))
    for (const { measure, engine, threads, values, median } of report.figures) {
      // The two tries of an abort are there whatever the rounds.
      expect({ measure, engine, threads, rounds: values.length }).toEqual({ measure, engine: expect.stringMatching(/^(wick|no drafts|prompt-lookup|gain)/), threads: 1, rounds: /^abort/.test(measure) ? 2 : 1 })
      expect(median, measure).toBeGreaterThan(0)
    }
    const of = (measure: string) => report.figures.find((figure) => figure.measure === measure)?.median
    expect(of('slowest of 16 at once')).toBeLessThanOrEqual(1)
    expect(of('slowest of 1 at once')).toBe(1)
    expect(of('join of 300: longest gap in ms')).toBeGreaterThanOrEqual(of('join of 300: median gap before') ?? Infinity)
    expect(of('12 requests with 200 tokens in common: computed')).toBeLessThanOrEqual(1)
    expect(of('12 requests with 200 tokens in common: stored')).toBeLessThanOrEqual(1.1)
    expect(report.engines['wick']).toMatchObject({ threads: 1, isa: expect.any(String) })
    expect(report.machine.commit).not.toBe('')
    expect(stdout).toContain(`wick ${report.machine.commit}`)
    expect(stdout).toMatch(/\| ember\.gguf \| 1 /)
    expect(stderr).toContain('decode · ember.gguf, 1 thread · wick: ')
  })

  it.each([
    { args: ['--threads', 'none'], message: '--threads is none' },
    { args: ['--file', 'missing.gguf'], message: '--file has missing.gguf' },
  ])('refuses $args', async ({ args, message }) => {
    await expect(run(...args)).rejects.toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) })
  })

  it('explains itself', async () => {
    expect((await run('--help')).stdout).toContain('npm run bench -- [options]')
    expect((await run('--help-files')).stdout).toContain('tinyllama-q4_k_m')
  })
})
