/** The real command line on real files: what the addon, the streams and the signals of a process do together. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LocalModelInfo, StreamPart } from '../../src/index.js'

const root = join(import.meta.dirname, '../..')
const fixture = join(root, '__test__/fixtures/checkpoints/llama')
const foreign = join(root, '__test__/fixtures/foreign/llama.f32.gguf')
const folder = mkdtempSync(join(tmpdir(), 'wick-cli-'))

interface Expected {
  prompt: string
  prompt_ids: number[]
  greedy_ids: number[]
  bos_greedy_ids: number[]
  steps: Array<{ chosen: [number, number] }>
}
const expected = JSON.parse(readFileSync(join(fixture, 'expected.json'), 'utf8')) as Expected

function start(args: string[]): ChildProcess & { out: string; err: string } {
  const child = Object.assign(spawn(process.execPath, [join(root, 'bin/wick.js'), ...args]), { out: '', err: '' })
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (child.out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (child.err += text))
  return child
}

async function wick(args: string[], stdin = ''): Promise<{ code: number | null; out: string; err: string }> {
  const child = start(args)
  child.stdin?.end(stdin)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out: child.out, err: child.err }
}

const json = (text: string) => text.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown)
const tokens = (out: string) => (json(out) as StreamPart[]).flatMap((part) => (part.type === 'text-delta' ? (part.tokens ?? []) : []))
const greedy = ['run', '--raw', '--temperature', '0', '--max-tokens', '24', '--ignore-eos', '--json']
// Nothing ends this one by itself.
const endless = ['run', '--raw', '--ignore-eos', '--overflow', 'shift', '--max-tokens', '10000000', fixture, 'on']

describe('wick on the command line', () => {
  it.each([{ model: fixture }, { model: foreign }])('continues $model as transformers does', async ({ model }) => {
    const { out, err, code } = await wick([...greedy, model, expected.prompt])
    expect({ err, code }).toEqual({ err: '', code: 0 })
    expect(tokens(out).map(({ id }) => id)).toEqual(expected.greedy_ids)
    for (const [at, { logprob }] of tokens(out).entries()) expect(logprob).toBeCloseTo(expected.steps[at]?.chosen[1] ?? NaN, 2)
  })

  it('begins an empty raw prompt at the beginning of text, and reads one from stdin', async () => {
    expect(tokens((await wick([...greedy, foreign, ''])).out).map(({ id }) => id)).toEqual(expected.bos_greedy_ids)
    expect(tokens((await wick([...greedy, foreign], expected.prompt)).out).map(({ id }) => id)).toEqual(expected.greedy_ids)
  })

  it('closes a thought after its budget, under a template that knows thoughts', async () => {
    const template = join(folder, 'thinks.jinja')
    writeFileSync(template, "{% for m in messages %}{{ m.role }}: {% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: <think>{% endif %}")
    const args = ['run', '--chat-template', template, '--reasoning-budget', '3', '--temperature', '0', '--max-tokens', '16', '--ignore-eos']
    const parts = json((await wick([...args, '--json', 'ember', 'Hi'])).out) as StreamPart[]
    const kinds = parts.map(({ type }) => type).filter((type, at, types) => type !== types[at - 1])
    expect(kinds).toEqual(['start', 'reasoning-start', 'reasoning-delta', 'reasoning-end', 'text-start', 'text-delta', 'text-end', 'usage', 'finish'])
    const text = parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
    expect((await wick([...args, 'ember', 'Hi'])).out).toBe(`${text}\n`)
    const { err } = await wick([...args, '--reasoning', 'off', 'ember', 'Hi'])
    expect(err).toContain('warning: reasoning.enabled has no effect')
  })

  it('tokenises, and evaluates along given tokens', async () => {
    const [ids] = json((await wick(['tokenize', '--json', fixture], JSON.stringify(expected.prompt))).out) as number[][]
    expect(ids).toEqual(expected.prompt_ids.slice(expected.prompt_ids.length - (ids?.length ?? 0)))
    const forced = [...expected.prompt_ids, ...expected.greedy_ids]
    const rows = json((await wick(['evaluate', '--json', '--top', '1', '--tokens', forced.join(), fixture])).out) as Array<{ top: Array<{ id: number }> }>
    expect(rows.slice(expected.prompt_ids.length - 1, -1).map(({ top }) => top[0]?.id)).toEqual(expected.greedy_ids)
  })

  it('converts a folder, which then answers the same, and quantises it', async () => {
    const [full, small] = [join(folder, 'full.gguf'), join(folder, 'small.gguf')]
    expect(await wick(['convert', fixture, full])).toMatchObject({ code: 0 })
    expect(tokens((await wick([...greedy, full, expected.prompt])).out).map(({ id }) => id)).toEqual(expected.greedy_ids)
    expect(await wick(['quantize', full, small, '--type', 'f16'])).toMatchObject({ code: 0 })
    const [before, after] = await Promise.all([full, small].map(async (file) => json((await wick(['inspect', '--json', file])).out)[0] as LocalModelInfo))
    expect(before).toMatchObject({ format: 'gguf', architecture: 'llama', layers: 3, vocabSize: 331 })
    expect(after?.tensors).toHaveLength(before?.tensors.length ?? 0)
    expect(after?.fileBytes).toBeLessThan(before?.fileBytes ?? 0)
  })

  it('saves a chat, and goes on with it in another process', async () => {
    const file = join(folder, 'talk.wick')
    const sampling = ['--temperature', '0', '--max-tokens', '24']
    const first = await wick(['chat', ...sampling, 'ember'], `Hello!\n/save ${file}\nTell me about a fox.\n`)
    expect(first).toMatchObject({ code: 0, err: `Saved to ${file}.\n` })
    const second = await wick(['chat', ...sampling, '--kv-bytes', '64mb', '--max-sessions', '1', '--draft', 'none', 'ember'], `/restore ${file}\nTell me about a fox.\n`)
    expect(second).toMatchObject({ code: 0, err: 'Restored: 2 messages.\n' })
    expect(first.out.split('\n').slice(1)).toEqual(second.out.split('\n'))
    expect(await wick(['chat', fixture], `/restore ${file}\n`)).toMatchObject({ code: 2, err: expect.stringContaining('[invalid-request]') as string })
  })

  it('benches, and examines the machine', async () => {
    const bench = await wick(['bench', foreign, '--prompt', '57', '--gen', '8', '--threads', '2', '--rounds', '1', '--json'])
    expect(json(bench.out)).toEqual([
      {
        ...Object.fromEntries(['prefillTokensPerSecond', 'decodeTokensPerSecond', 'ttftMs', 'loadMs', 'rssBytes'].map((name) => [name, expect.any(Number)])),
        sessions: 1,
        threads: 2,
        isa: expect.any(String),
        backend: 'cpu',
      },
    ])
    const doctor = await wick(['doctor', foreign, '--json'])
    expect(json(doctor.out)).toMatchObject([{ machine: { backends: expect.arrayContaining(['reference']) }, model: { chosen: { architecture: 'llama' } } }])
  })

  it('says 3 and why where there is no model, or a broken one', async () => {
    const broken = join(folder, 'broken.gguf')
    writeFileSync(broken, 'They said it was a model.')
    expect(await wick(['run', 'missing.gguf', 'Hi'])).toMatchObject({ code: 3, out: '', err: expect.stringContaining('[model-not-found]') })
    expect(await wick(['run', broken, 'Hi'])).toMatchObject({ code: 3, out: '', err: expect.stringContaining('[model-invalid]') })
  })

  it('stops an answer at Ctrl-C with 130, after what there was', async () => {
    const child = start(endless)
    await once(child.stdout ?? child, 'data')
    child.kill('SIGINT')
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    expect({ code, signal, err: child.err }).toEqual({ code: 130, signal: null, err: '' })
    expect(child.out.endsWith('\n')).toBe(true)
  })

  it('ends silently when its reader has gone', async () => {
    const child = start(endless)
    await once(child.stdout ?? child, 'data')
    child.stdout?.destroy()
    const [code] = (await once(child, 'exit')) as [number | null]
    expect({ code, err: child.err }).toEqual({ code: 0, err: '' })
  })
})
