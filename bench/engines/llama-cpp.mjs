/** llama.cpp itself, by its own programs llama-bench and llama-batched-bench: a process a figure. */
import { spawn } from 'node:child_process'
import { ownChild } from './engine.mjs'
import { llamaProgram } from './peers.mjs'

/**
 * Tokens a second of one test.
 *
 * A short test runs first in the same process, so that pages are mapped and threads there, as the other engines have it; its
 * result is not used.
 * @param {{ cpu: 'avx2' | 'native', under: string[] }} options
 * @param {{ path: string }} file
 * @param {{ promptTokens?: number, tokens?: number, depth?: number, threads: number, variant: { flashAttention: boolean, batchSize: number } }} test
 */
export async function llamaBenchRate(options, file, { promptTokens = 0, tokens = 0, depth = 0, threads, variant }) {
  const asked = { '-m': file.path, '-t': threads, '-fa': variant.flashAttention ? 1 : 0, '-ub': variant.batchSize, '-d': depth, '-r': 1, '-o': 'json' }
  const tests = promptTokens ? { '-p': `16,${promptTokens}`, '-n': 0 } : { '-p': 0, '-n': `8,${tokens}` }
  const args = [...Object.entries({ ...asked, ...tests }).flat().map(String), '--no-warmup']
  const results = JSON.parse(await output([...options.under, llamaProgram(options.cpu, 'llama-bench'), ...args]))
  return results.at(-1).avg_ts
}

/**
 * Tokens a second of `answers` sequences together, `tokens` of each after a prompt of `depth`. Its threads have been at work by then:
 * with the prompts.
 * @param {{ cpu: 'avx2' | 'native', under: string[] }} options
 * @param {{ path: string }} file
 * @param {{ answers: number, tokens: number, depth: number, threads: number, variant: { flashAttention: boolean, batchSize: number } }} test
 */
export async function batchedBenchRate(options, file, { answers, tokens, depth, threads, variant }) {
  const asked = { '-m': file.path, '-t': threads, '-tb': threads, '-fa': variant.flashAttention ? 'on' : 'off', '-ub': variant.batchSize }
  const test = { '-c': answers * (depth + tokens), '-npp': depth, '-ntg': tokens, '-npl': answers, '--output-format': 'jsonl' }
  const args = Object.entries({ ...asked, ...test }).flat().map(String)
  const lines = (await output([...options.under, llamaProgram(options.cpu, 'llama-batched-bench'), ...args])).split('\n')
  return JSON.parse(lines.findLast((line) => line.startsWith('{'))).speed_tg
}

/** What a command writes to stdout; rejects with the end of what it wrote to stderr where it fails. */
function output([command, ...args]) {
  return new Promise((resolve, reject) => {
    const child = ownChild(spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
    const [out, err] = [[], []]
    child.stdout.on('data', (chunk) => out.push(chunk))
    child.stderr.on('data', (chunk) => err.push(chunk))
    child.on('error', reject)
    child.on('close', (status) => {
      if (status === 0) resolve(Buffer.concat(out).toString())
      else reject(new Error(`${command} ended with ${status}: ${Buffer.concat(err).toString().slice(-1000)}`))
    })
  })
}
