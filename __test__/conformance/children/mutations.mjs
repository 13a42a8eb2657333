/**
 * Files and templates, broken at random: each is loaded and asked for a short answer. Says what it is about to do and what came
 * of it, so that a crash or a hang names its case.
 *
 *   node mutations.mjs KIND FIRST COUNT
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate, load } from '../../../dist/index.js'
import { report } from './begin.mjs'

const [kind, first, count] = process.argv.slice(2)
const fixtures = new URL('../../fixtures/', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'wick-mutations-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Whole numbers below `n`, the same for the same seed (mulberry32). */
function dice(seed) {
  let state = seed * 0x9e3779b9
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n
  }
}

/** Bytes with some of them changed, cut, doubled or left out; most changes in the first `head`, where the structure is. */
function brokenBytes(bytes, head, roll) {
  let broken = Buffer.from(bytes)
  for (let times = 1 + roll(3); times > 0 && broken.length > 0; times -= 1) {
    const at = roll(roll(4) === 0 ? broken.length : Math.min(head, broken.length))
    const end = Math.min(at + 8, broken.length)
    const change = roll(24)
    if (change === 0) broken = broken.subarray(0, at)
    else if (change === 1) broken = Buffer.concat([broken.subarray(0, at), broken.subarray(at + 1 + roll(64))])
    else if (change === 2) broken = Buffer.concat([broken.subarray(0, at), broken.subarray(Math.max(0, at - 64), at), broken.subarray(at)])
    else if (change < 6) broken.fill(0xff, at, end)
    else if (change < 9) broken.fill(0, at, end)
    else if (change < 12 && end === at + 8) broken.writeBigUInt64LE(1n << BigInt(roll(64)), at)
    else if (change < 18) broken[at] ^= 1 << roll(8)
    else broken[at] = roll(256)
  }
  return broken
}

/** Values that no tokenizer file should have where they land. */
const odd = [null, true, -1, 0, 1e300, '', 'x', '\u{10FFFF}', [], {}, [[]], { type: 'Nothing' }, 'a'.repeat(70_000), 2 ** 32, '(?:(?:a+)+)+$', '[']

/** JSON with some of its values changed, moved or left out. */
function brokenJson(json, roll) {
  const broken = structuredClone(json)
  for (let times = 1 + roll(3); times > 0; times -= 1) {
    let [holder, key] = [{ root: broken }, 'root']
    for (let depth = roll(7); depth >= 0; depth -= 1) {
      const value = holder[key]
      const keys = typeof value === 'object' && value !== null ? Object.keys(value) : []
      if (keys.length === 0) break
      ;[holder, key] = [value, keys[roll(keys.length)]]
    }
    if (key === 'root') continue
    const change = roll(4)
    if (change === 0) delete holder[key]
    else if (change === 1) holder[roll(2) === 0 ? key : `${key}2`] = structuredClone(odd[roll(odd.length)])
    else if (change === 2) holder[key] = structuredClone(Object.values(holder)[roll(Object.keys(holder).length)])
    else holder[key] = typeof holder[key] === 'number' ? holder[key] + 1 - roll(3) : structuredClone(odd[roll(odd.length)])
  }
  return JSON.stringify(broken)
}

/** What a template can say that it should not. */
const phrases = [
  '{% for a in range(100000000) %}{% for b in range(100000000) %}x{% endfor %}{% endfor %}',
  '{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}',
  "{{ 'x' * 1000000000 }}",
  '{{ messages * 100000000 }}',
  '{{ range(10000000000) | list | length }}',
  "{{ raise_exception('no') }}",
  '{{ messages[99].content }}',
  '{% set ns = namespace(x=1) %}{% for m in messages %}{% set ns.x = [ns.x, ns.x, ns.x] %}{% endfor %}{{ ns.x }}',
  '{{ 1 / 0 }}',
  '{{ 2 ** 100000 }}',
  '{{ (1 << 70) % 0 }}',
  '{{ -9223372036854775808 // -1 }}',
  `{{ ${'('.repeat(5000)}1${')'.repeat(5000)} }}`,
  `{{ ${'['.repeat(5000)} }}`,
  '{% if true %}'.repeat(2000),
  '{% include "x" %}{% extends "y" %}{% import "z" as z %}',
  '{{ messages | tojson(indent=1000000000) }}',
  "{{ '%1000000000d' % 5 }}",
  "{{ 'x'.ljust(1000000000) }}{{ 'x' | center(1000000000) }}",
  `{{ 'a'${" | replace('', 'aaaaaaaa')".repeat(6)} | length }}`,
  '{{ messages.__class__.__mro__ }}',
  "{{ strftime_now('%') }}{{ strftime_now('%10000000Y') }}",
  '{{ loop.index }}{{ caller() }}{{ self }}',
  '{% break %}{% continue %}',
]

/** A template with pieces of it, of others and of nonsense put together anew. */
function brokenTemplate(template, roll) {
  const pieces = template.split(/(\{%.*?%\}|\{\{.*?\}\})/s)
  for (let times = 1 + roll(4); times > 0; times -= 1) {
    const at = roll(pieces.length)
    const change = roll(5)
    if (change === 0) pieces.splice(at, 1)
    else if (change === 1) pieces.splice(at, 0, phrases[roll(phrases.length)])
    else if (change === 2) pieces.splice(at, 0, pieces[roll(pieces.length)] ?? '')
    else if (change === 3) pieces[at] = brokenBytes(Buffer.from(pieces[at] ?? ''), Infinity, roll).toString()
    else pieces.reverse()
  }
  return pieces.join('')
}

/** Kinds of what is broken: each gives what `load` takes. */
const kinds = {
  gguf() {
    const files = ['llama.f32.gguf', 'llama-q8.q8_0.gguf', 'qwen3.f16.gguf'].map((name) => readFileSync(join(fixtures, 'foreign', name)))
    return (roll, seed) => {
      const file = join(folder, `${seed}.gguf`)
      writeFileSync(file, brokenBytes(files[roll(files.length)], 12_000, roll))
      return [file, { mmap: roll(2) === 0 }]
    }
  },
  tokenizer() {
    const checkpoint = join(fixtures, 'checkpoints', 'qwen3')
    const json = JSON.parse(readFileSync(join(checkpoint, 'tokenizer.json'), 'utf8'))
    return (roll, seed) => {
      const broken = join(folder, String(seed))
      mkdirSync(broken)
      cpSync(checkpoint, broken, { recursive: true })
      const text = roll(4) === 0 ? brokenBytes(Buffer.from(JSON.stringify(json)), 4000, roll) : brokenJson(json, roll)
      writeFileSync(join(broken, 'tokenizer.json'), text)
      return [broken, {}]
    }
  },
  template() {
    const file = join(fixtures, 'foreign', 'qwen3.f16.gguf')
    const template = readFileSync(join(fixtures, 'checkpoints/qwen3/chat_template.jinja'), 'utf8')
    return (roll, seed) => [file, { chatTemplate: seed < phrases.length ? phrases[seed] + template : brokenTemplate(template, roll) }]
  },
}

async function answer([reference, options]) {
  const model = await load(reference, { contextTokens: 256, ...options })
  try {
    const messages = [{ role: 'user', content: 'Hello there <|im_end|>' }, { role: 'assistant', content: 'Yes?' }, { role: 'user', content: 'Well' }]
    const prompts = [{ messages }, { raw: { text: 'Once upon' } }]
    for (const prompt of prompts) {
      await generate({ model, ...prompt, maxTokens: 3, seed: 1, overflow: 'error' }).collect()
    }
    return 'answered'
  } finally {
    await model.close()
  }
}

const broken = kinds[kind]()
for (let seed = Number(first); seed < Number(first) + Number(count); seed += 1) {
  report({ seed })
  const began = performance.now()
  const outcome = await answer(broken(dice(seed + 1), seed)).catch((error) => (error?.name === 'WickError' ? error.code : `untyped: ${error?.stack}`))
  report({ seed, outcome, ms: Math.round(performance.now() - began) })
}
