// Holds wick to transformers and to llama.cpp on checkpoints that no test has seen.
//
//   python tools/oracle/unseen.py SEED FOLDER
//   node tools/oracle/check.mjs FOLDER NODE_MODULES [--backend candle|reference] [--kv f32|f16] [--only TEXT]
//
// NODE_MODULES is where node-llama-cpp 3.22 is installed (the repository does not depend on it); --kv is the type of its cache.
// --only checks the foreign files alone whose name has TEXT in it.
// What is checked is the list in README.md. Prints a line a check, and exits with 1 when one fails.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { load } from '../../dist/index.js'
import { openPeer } from './peer.mjs'

const STEPS = 180
/** Ties that rounding may decide otherwise: of F32 files, of those whose products are rounded, and of those rounded to eight bits. */
const TIE = { f32: 1e-3, bf16: 0.2, other: 0.1 }
const MEAN_KL = 2e-3
const LOGPROB = 2e-3
/** llama.cpp has no window for qwen2, mistral and phi3, and no biases for qwen3; of longrope it goes by the window asked for. */
const OTHERWISE = ['qwen2-window', 'qwen3-biases', 'mistral-window', 'phi-across']
/** So does a GGUF file in wick: what transformers answers to a short sequence of these it does not. */
const ACROSS = ['phi-across']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'candle' },
    kv: { type: 'string', default: 'f32' },
    only: { type: 'string', default: '' },
  },
})
const [folder, modules] = positionals
if (!modules) {
  console.error('usage: node check.mjs FOLDER NODE_MODULES [--backend candle|reference] [--kv f32|f16] [--only TEXT]')
  process.exit(2)
}
const command = join(dirname(fileURLToPath(import.meta.url)), '../../bin/wick.js')
const scratch = mkdtempSync(join(tmpdir(), 'wick-oracle-'))

let failures = 0
function report(ok, what, figures) {
  if (!ok) failures += 1
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${what.padEnd(52)} ${figures}`)
}

/** The tokens that `wick run --raw --temperature 0` gives: `{ id, logprob, top }`. */
function run(max, ...args) {
  const fixed = ['run', '--raw', '--temperature', '0', '--ignore-eos', '--max-tokens', String(max), '--json', '--backend', values.backend]
  const out = execFileSync(process.execPath, [command, ...fixed, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const parts = out.trim().split('\n').map((line) => JSON.parse(line))
  return parts.flatMap((part) => (part.type === 'text-delta' ? part.tokens : []))
}

/** A folder, or the file made of it: transformers' ids, and its log-probabilities of the five best at each step. */
function asTransformers(what, path, expected) {
  const tokens = run(24, '--logprobs', '5', path, expected.prompt)
  const at = expected.greedy_ids.findIndex((id, step) => tokens[step]?.id !== id)
  let distance = 0
  for (const [step, { top }] of expected.steps.entries()) {
    for (const [rank, [id, logprob]] of top.entries()) {
      const mine = tokens[step]?.top[rank]
      distance = Math.max(distance, mine?.id === id ? Math.abs(mine.logprob - logprob) : Infinity)
    }
    if (step === at) break
  }
  const ids = at < 0 ? '24 ids equal' : `differs at step ${at}`
  report(at < 0 && distance <= LOGPROB, what, `${ids}, log-probabilities within ${distance.toExponential(1)}`)
}

/** log Σ exp(x) of a row. */
function logSum(row) {
  const max = row.reduce((a, b) => Math.max(a, b))
  return max + Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0))
}

/** Σ p (log p − log q) of two rows of logits. */
function divergence(p, q) {
  const [pSum, qSum] = [logSum(p), logSum(q)]
  return p.reduce((sum, x, id) => sum + Math.exp(x - pSum) * (x - pSum - (q[id] - qSum)), 0)
}

const best = (row) => row.reduce((at, x, id) => (x > row[at] ? id : at), 0)

/** Along llama.cpp's own tokens: where wick would choose otherwise, and how far its distributions are from the peer's. */
async function forced(model, start, { ids, rows, gaps }) {
  const positions = ids.map((_, step) => start.length - 1 + step)
  const mine = await model.evaluate([...start, ...ids.slice(0, -1)], { positions })
  const kl = mine.map((row, step) => divergence(rows[step], row))
  const other = gaps.filter((_, step) => best(mine[step]) !== ids[step])
  return { otherGap: Math.max(0, ...other), others: other.length, meanKl: kl.reduce((a, b) => a + b) / kl.length, maxKl: Math.max(...kl) }
}

async function asPeer(what, path, start, args) {
  const answer = await peer.greedy(path, start, STEPS)
  const tokens = run(STEPS, path, ...args)
  const at = answer.ids.findIndex((id, step) => tokens[step]?.id !== id)
  const model = await load(path, { backend: values.backend })
  const { otherGap, others, meanKl, maxKl } = await forced(model, start, answer)
  await model.close()
  const tie = TIE[/\.(f32|bf16)\.gguf$/.exec(path)?.[1] ?? 'other']
  const ok = otherGap <= tie && meanKl <= MEAN_KL && (at < 0 || answer.gaps[at] <= tie)
  const ids = at < 0 ? `${STEPS} ids equal` : `parts at step ${at} (gap ${answer.gaps[at].toFixed(4)})`
  const figures = `forced: ${others} other (largest gap ${otherGap.toFixed(4)}), KL mean ${meanKl.toExponential(1)} max ${maxKl.toExponential(1)}`
  report(ok, what, `${ids}; ${figures}`)
}

/** A GGUF file, after the prompt and after the beginning-of-text token where its tokenizer puts one. */
async function file(what, path, expected) {
  const prompt = await peer.encode(path, expected.prompt)
  if (String(prompt) !== String(expected.prompt_ids)) console.log(`       ${what}: llama.cpp cuts the prompt otherwise than transformers`)
  await asPeer(`${what} prompt`, path, expected.prompt_ids, ['--tokens', expected.prompt_ids.join()])
  if (expected.bos_greedy_ids) await asPeer(`${what} beginning of text`, path, [expected.prompt_ids[0]], [''])
}

const peer = await openPeer(modules, values.kv)
for (const name of readdirSync(join(folder, 'checkpoints'))) {
  const source = join(folder, 'checkpoints', name)
  const expected = JSON.parse(readFileSync(join(source, 'expected.json'), 'utf8'))
  const files = readdirSync(join(folder, 'foreign')).filter((file) => file.startsWith(`${name}.`) && file.includes(values.only))
  for (const foreign of files) await file(foreign, join(folder, 'foreign', foreign), expected)
  if (values.only) continue
  asTransformers(`${name} folder`, source, expected)
  const converted = join(scratch, `${name}.f32.gguf`)
  execFileSync(process.execPath, [command, 'convert', source, converted, '--dtype', 'f32'])
  if (!ACROSS.includes(name)) asTransformers(`${name} converted`, converted, expected)
  if (!OTHERWISE.includes(name)) await file(`${name} converted`, converted, expected)
}
rmSync(scratch, { recursive: true })
console.log(failures === 0 ? 'all as it should be' : `${failures} failed`)
process.exit(failures === 0 ? 0 : 1)
