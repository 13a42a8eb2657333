/**
 * The model files: random weights in real shapes, made by `speed make` once and kept.
 *
 * What an engine does with a weight does not depend on its value, and a file that nobody has to download is the same everywhere.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cache, given, root } from './paths.mjs'
import { UsageError } from './pure/options.mjs'

/**
 * @typedef {object} Shape
 * @property {string} shape as `speed make` names it
 * @property {string} dtype
 * @property {number} vocab
 * @property {number} embeddingBytes of the table that decode does not read
 * @property {number} kvBytes of keys and values in f16, a token
 * @property {string} about
 * @property {boolean} [bar] whether a bar of the project names it
 * @property {boolean} [long] whether prefill is measured with 2,048 tokens too
 */

const tinyllama = { shape: 'tinyllama', vocab: 32_000, kvBytes: 22 * 2 * 4 * 64 * 2 }
const q4 = (weights) => (weights * 4.5) / 8
const q8 = (weights) => (weights * 8.5) / 8

/** @type {Record<string, Shape>} */
export const FILES = {
  'tinyllama-q4_k_m': { ...tinyllama, dtype: 'q4_k_m', embeddingBytes: q4(32_000 * 2048), about: 'TinyLlama-1.1B, 668 MB', bar: true, long: true },
  'llama-267m-q8_0': { shape: 'llama-267m', dtype: 'q8_0', vocab: 32_000, kvBytes: 16 * 2 * 8 * 64 * 2, embeddingBytes: q8(32_000 * 1024), about: 'a llama of 267 M, 284 MB', bar: true, long: true },
  'qwen3-0.6b-q8_0': { shape: 'qwen3-0.6b', dtype: 'q8_0', vocab: 151_936, kvBytes: 28 * 2 * 8 * 128 * 2, embeddingBytes: q8(151_936 * 1024), about: 'Qwen3-0.6B with an output matrix of its own, 802 MB', bar: true },
  'tinyllama-q8_0': { ...tinyllama, dtype: 'q8_0', embeddingBytes: q8(32_000 * 2048), about: 'TinyLlama-1.1B, 1.17 GB' },
  'tinyllama-q4_0': { ...tinyllama, dtype: 'q4_0', embeddingBytes: q4(32_000 * 2048), about: 'TinyLlama-1.1B, 620 MB' },
  'quotes-q4_k_m': { ...tinyllama, shape: 'tinyllama-quotes', dtype: 'q4_k_m', embeddingBytes: q4(32_000 * 2048), about: 'TinyLlama-1.1B of which two layers quote the prompt and the others add nothing, for drafts' },
  'chain-q8_0': { shape: 'chain', dtype: 'q8_0', vocab: 151_936, kvBytes: 2 * 32 * 2, embeddingBytes: q8(151_936 * 64), about: 'one small layer under 151,936 logits, for the sampler' },
}

/**
 * @typedef {object} ModelFile
 * @property {string} name
 * @property {string} path
 * @property {number} bytes
 * @property {number} vocab
 * @property {number} [decodeBytes] of weights that a decoded token reads
 * @property {number} [kvBytes] of keys and values in f16, a token
 * @property {boolean} long
 */

/**
 * A file of the table, made where it is missing, or any `.gguf` file by its path.
 * @param {string} name
 * @returns {Promise<ModelFile>}
 */
export async function modelFile(name) {
  const known = FILES[name]
  if (!known) return foreign(name)
  const path = join(cache, `${name}.gguf`)
  if (!existsSync(path)) make(path, known)
  const bytes = statSync(path).size
  return { name, path, bytes, vocab: known.vocab, decodeBytes: bytes - known.embeddingBytes, kvBytes: known.kvBytes, long: known.long ?? false }
}

/** wick reads what the table would say; which bytes a token reads is not known of every architecture. */
async function foreign(name) {
  const path = given(name)
  if (!name.endsWith('.gguf') || !existsSync(path)) {
    throw new UsageError(`--file has ${name}, which is neither a .gguf file nor one of ${Object.keys(FILES).join(', ')}.`)
  }
  const { load } = await import(pathToFileURL(join(root, 'dist/index.js')).href)
  const model = await load(path, { vocabOnly: true })
  const { vocabSize } = model.info
  await model.close()
  return { name: basename(name), path, bytes: statSync(path).size, vocab: vocabSize, long: false }
}

function make(path, { shape, dtype }) {
  console.error(`making ${path}`)
  mkdirSync(cache, { recursive: true })
  const unfinished = `${path}.${process.pid}`
  const args = ['run', '--quiet', '-p', 'wick-models', '--example', 'speed', '--', 'make', unfinished, dtype, shape]
  const { status } = spawnSync('cargo', args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`cargo ${args.join(' ')} ended with ${status}`)
  renameSync(unfinished, path)
}
