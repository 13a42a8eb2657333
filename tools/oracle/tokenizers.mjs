// Holds wick's tokenizers to llama.cpp's on seeded strings: for each pre-tokenizer, the ids of the same file on both sides.
//
//   node tools/oracle/tokenizers.mjs VOCABULARIES NODE_MODULES [--strings 10000] [--seed 1] [--only PRE]
//
// VOCABULARIES is the folder that tools/oracle/vectors.py prints, PAIRS.gguf of pairs.py may be in it; NODE_MODULES is where
// node-llama-cpp 3.22 is installed. Prints a line for each pre-tokenizer and vocabulary, and exits with 1 when ids differ.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { load } from '../../dist/index.js'
import { strings } from './strings.mjs'

/** One name of each pre-tokenizer, with the vocabulary that is its own where the package has one. */
const preTokenizers = {
  'gpt-2': 'gpt-2',
  mpt: 'mpt',
  'llama-bpe': 'llama-bpe',
  'smaug-bpe': null,
  dbrx: null,
  'chatglm-bpe': null,
  glm4: null,
  qwen2: 'qwen2',
  qwen35: 'qwen35',
  smollm: null,
  starcoder: 'starcoder',
  refact: 'refact',
  'command-r': 'command-r',
  tekken: null,
  'gpt-4o': null,
  llama4: null,
  'minimax-m2': null,
  'granite-embed-multi-97m': null,
  'granite-docling': null,
  'deepseek-llm': 'deepseek-llm',
  'deepseek-coder': 'deepseek-coder',
  'deepseek-v3': null,
  'hunyuan-dense': null,
  spark2_5: null,
  'kimi-k2': null,
  falcon: 'falcon',
  bloom: null,
  'poro-chat': null,
  viking: null,
  superbpe: null,
  bailingmoe: null,
  'seed-coder': null,
  youtu: null,
  afmoe: null,
  tiny_aya: null,
  'exaone-moe': null,
  laguna: null,
  minicpm5: null,
  'jais-2': null,
  ufakzeka: null,
  chameleon: null,
  default: 'gpt-neox',
}
/** Vocabularies that have no pre-tokenizer. */
const others = ['llama-spm', 'phi-3', 'baichuan']
const shown = 3

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { strings: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' }, only: { type: 'string', default: '' } },
})
const [vocabularies, modules] = positionals
if (!modules) {
  console.error('usage: node tokenizers.mjs VOCABULARIES NODE_MODULES [--strings 10000] [--seed 1] [--only PRE]')
  process.exit(2)
}
const { getLlama } = await import(pathToFileURL(join(resolve(modules), 'node-llama-cpp/dist/index.js')).href)
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'disabled' })
const texts = strings(Number(values.seed), Number(values.strings))

/** How many texts have other ids; says which, for the first of them. */
async function differences(file, pre) {
  const path = join(resolve(vocabularies), file)
  const metadata = pre && { 'tokenizer.ggml.pre': pre }
  const ours = await load(path, { vocabOnly: true, ...(metadata && { metadata }) })
  const overrides = pre && { metadataOverrides: { tokenizer: { ggml: { pre } } } }
  const theirs = await llama.loadModel({ modelPath: path, gpuLayers: 0, vocabOnly: true, ...overrides })
  try {
    let count = 0
    for (const text of texts) {
      const [got, want] = [[...ours.tokenize(text)], theirs.tokenize(text, false)]
      if (String(got) === String(want)) continue
      count += 1
      if (count <= shown) {
        const pieces = (ids) => JSON.stringify([...ids].map((id) => ours.detokenize([id], { showControl: true })))
        console.log(`    ${JSON.stringify(text)}\n      wick  ${pieces(got)}\n      peer  ${pieces(want)}`)
      }
    }
    return count
  } finally {
    await theirs.dispose()
    await ours.close()
  }
}

let failed = 0
async function check(name, file, pre) {
  const count = await differences(file, pre)
  failed += count
  console.log(`${count ? 'FAILED' : 'ok    '} ${name.padEnd(24)} ${file.padEnd(36)} ${texts.length} strings, ${count} differ`)
}

console.log(`seed ${values.seed}`)
for (const [pre, own] of Object.entries(preTokenizers)) {
  if (!pre.includes(values.only)) continue
  await check(pre, `ggml-vocab-${own ?? 'llama-bpe'}.gguf`, pre)
  if (existsSync(join(vocabularies, 'pairs.gguf'))) await check(pre, 'pairs.gguf', pre)
}
for (const name of others.filter((name) => name.includes(values.only))) await check('(spm)', `ggml-vocab-${name}.gguf`)
process.exit(failed ? 1 : 0)
