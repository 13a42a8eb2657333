/** Real vocabularies, held to llama.cpp's own vectors: those of PyPI's llama-cpp-python, fetched once and never committed. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { withModel } from './answers.js'

const script = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'tools/oracle/vectors.py')
const separator = '\n__ggml_vocab_test__\n'

/** The folder of the vectors; without Python, pip or its registry, a reason why there is none. */
function vectors(): { folder: string } | { missing: string } {
  const { status, stdout, stderr, error } = spawnSync('python3', [script], { encoding: 'utf8', timeout: 280_000 })
  if (status === 0) return { folder: stdout.trim() }
  if (error || status === 3) return { missing: error?.message ?? stderr.trim() }
  throw new Error(`${script}: ${stderr}`)
}

const found = vectors()
const folder = 'folder' in found ? found.folder : undefined
if ('missing' in found) console.warn(`llama.cpp's vocabularies are not tested here: ${found.missing}`)

/** The vocabularies with vectors, and of which kind those are that wick does not run yet. */
const unsupported: Readonly<Record<string, string>> = { 'bert-bge': 'bert', 'gemma-4': 'gemma4' }
const names = folder
  ? readdirSync(folder).flatMap((file) => /^ggml-vocab-(.+)\.gguf\.inp$/.exec(file)?.[1] ?? []).filter((name) => !(name in unsupported))
  : ['(none)']

describe.skipIf(!folder)('vectors of llama.cpp', () => {
  const path = (name: string) => join(folder ?? '', `ggml-vocab-${name}.gguf`)

  it('are there for thirteen vocabularies', () => expect(names).toHaveLength(13))

  it.each(names)('%s', async (name) => {
    const texts = readFileSync(`${path(name)}.inp`, 'utf8').split(separator).slice(0, -1)
    const lines = readFileSync(`${path(name)}.out`, 'utf8').split('\n').slice(0, -1)
    const expected = lines.map((line) => line.split(' ').filter(Boolean).map(Number))
    expect(texts).toHaveLength(expected.length)
    await withModel(path(name), { vocabOnly: true }, async (model) => {
      expect(texts.map((text) => [text, [...model.tokenize(text)]])).toEqual(texts.map((text, index) => [text, expected[index]]))
    })
  })

  it.each(Object.entries(unsupported))('%s is unsupported by name', async (name, kind) => {
    expect(existsSync(path(name))).toBe(true)
    await expect(withModel(path(name), { vocabOnly: true }, async () => {})).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining(kind) })
  })
})
