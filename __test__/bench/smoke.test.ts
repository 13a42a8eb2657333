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
    const measures = ['prefill 64', 'decode', 'first token after 16', 'load and first token', 'resident', 'resident peak', 'Node before the load']
    expect(report.figures.map(({ measure }) => measure)).toEqual(measures)
    for (const { engine, threads, values, median } of report.figures) {
      expect({ engine, threads, rounds: values.length }).toEqual({ engine: 'wick', threads: 1, rounds: 1 })
      expect(median).toBeGreaterThan(0)
    }
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
