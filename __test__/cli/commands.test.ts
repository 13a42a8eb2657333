import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type ConvertOptions, type GenerateOptions, type LoadOptions, type QuantizeOptions, WickError } from '../../src/index.js'
import { info, spoken, wick } from './stage.js'

describe('wick inspect', () => {
  it('reads the vocabulary only, and tells what the file says of itself', async () => {
    const stage = await wick(['inspect', 'paper.gguf'])
    expect(stage.loaded[0]).toMatchObject({ source: 'paper.gguf', options: { vocabOnly: true } })
    expect(stage.out).toContain('parameters     1 876 992\n')
    expect(stage.out).toContain('weights        2.00 MB, Q8_0\n')
    expect(stage.out).toContain('token_embd.weight  Q8_0  [8, 64]\n')
    expect(stage).toMatchObject({ code: 0, closed: 1 })
  })

  it('keeps a file from writing to the terminal', async () => {
    expect((await wick(['inspect', 'paper.gguf'])).out).toContain('evil.key      a\\x1b[2Jb\n')
  })

  it('is one JSON object with --json', async () => {
    expect(JSON.parse((await wick(['inspect', '--json', 'paper.gguf'])).out)).toEqual(info)
  })
})

describe('wick infill', () => {
  it('hands both sides on, from flags and from files', async () => {
    const stage = await wick(['infill', 'paper.gguf', '--prefix', 'a', '--suffix-file', 'rustfmt.toml', '--file', 'clippy.toml', '--path', 'b', '--repository', 'r', '--temperature', '0'])
    const text = (path: string) => readFileSync(path, 'utf8')
    expect(stage.asked[0]).toMatchObject({
      infill: { prefix: 'a', suffix: text('rustfmt.toml'), files: [{ path: 'clippy.toml', text: text('clippy.toml') }], path: 'b', repository: 'r' },
      temperature: 0,
    })
    expect(stage).toMatchObject({ code: 0, closed: 1 })
  })

  it.each([
    { args: ['--file', 'a'], says: '--file needs --path' },
    { args: ['--prefix', 'a', '--prefix-file', 'b'], says: 'the same thing' },
    { args: ['--suffix-file', './nowhere.txt'], says: '--suffix-file ./nowhere.txt' },
  ])('refuses $args', async ({ args, says }) => {
    const stage = await wick(['infill', 'paper.gguf', ...args])
    expect(stage.err).toContain(says)
    expect(stage).toMatchObject({ code: 2, loaded: [] })
  })
})

describe('wick tokenize', () => {
  it('answers a JSON string a line with an array of ids a line', async () => {
    const stdin = ['"ab"\n\n"', '\u2028c"\n""\r\n"\\u00e9"']
    const stage = await wick(['tokenize', '--json', 'paper.gguf'], { stdin })
    expect(stage.out).toBe('[97,98]\n[232,99]\n[]\n[233]\n')
    expect(stage.loaded[0]?.options).toMatchObject({ vocabOnly: true })
    expect(stage).toMatchObject({ code: 0, closed: 1 })
  })

  it.each([{ line: '{}' }, { line: 'ab' }, { line: '["a"]' }])('says which line is not a JSON string: $line', async ({ line }) => {
    const stage = await wick(['tokenize', '--json', 'paper.gguf'], { stdin: `"a"\n${line}\n"b"\n` })
    expect(stage.out).toBe('[97]\n')
    expect(stage.err).toContain('Line 2 of stdin is not a JSON string.')
    expect(stage).toMatchObject({ code: 2, closed: 1 })
  })

  it('adds special tokens when asked to', async () => {
    expect((await wick(['tokenize', '--json', '--special', 'paper.gguf', 'a'])).out).toBe('[1,97]\n')
  })

  it('shows ids and pieces to people', async () => {
    expect((await wick(['tokenize', 'paper.gguf', 'ab'])).out).toBe('     97  "<97>"\n     98  "<98>"\n')
  })
})

describe('wick evaluate', () => {
  it('prints what was expected at each position', async () => {
    const stage = await wick(['evaluate', '--json', '--tokens', '0,1,5', '--top', '2', 'paper.gguf'])
    const rows = stage.out.trimEnd().split('\n').map((line) => JSON.parse(line) as { position: number; next: { logprob: number } | null })
    const likely = 1 - Math.log(Math.E + 7)
    const other = -Math.log(Math.E + 7)
    expect(rows).toEqual([
      { position: 0, token: 0, next: { id: 1, logprob: expect.closeTo(likely, 6) }, top: [{ id: 1, text: '<1>', logprob: expect.closeTo(likely, 6) }, { id: 0, text: '<0>', logprob: expect.closeTo(other, 6) }] },
      { position: 1, token: 1, next: { id: 5, logprob: expect.closeTo(other, 6) }, top: [{ id: 2, text: '<2>', logprob: expect.closeTo(likely, 6) }, { id: 0, text: '<0>', logprob: expect.closeTo(other, 6) }] },
      { position: 2, token: 5, next: null, top: [{ id: 3, text: '<3>', logprob: expect.closeTo(likely, 6) }, { id: 0, text: '<0>', logprob: expect.closeTo(other, 6) }] },
    ])
  })

  it('gives the whole distribution when all of the vocabulary is asked for', async () => {
    const stage = await wick(['evaluate', '--json', '--tokens', '0', '--top', '100', 'paper.gguf'])
    const { top } = JSON.parse(stage.out) as { top: Array<{ logprob: number }> }
    expect(top).toHaveLength(info.vocabSize)
    expect(top.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 6)
  })

  it('tokenises text with the beginning-of-text token', async () => {
    const stage = await wick(['evaluate', 'paper.gguf', 'a'])
    expect(stage.out).toMatch(/^ {4}0 {2}"<1>" .*-> "<97>".*\n {4}1 {2}"<97>"/)
  })

  it('refuses tokens and text together, and nothing at all', async () => {
    expect((await wick(['evaluate', '--tokens', '1', 'paper.gguf', 'a'])).code).toBe(2)
    expect((await wick(['evaluate', '--tokens', '', 'paper.gguf'])).err).toContain('no tokens')
  })
})

describe('wick convert and quantize', () => {
  it('hand on what they are told', async () => {
    const calls: unknown[] = []
    const note = (result: { bytes: number; tensors: number; warnings: string[] }) => async (options: ConvertOptions | QuantizeOptions) => {
      calls.push(options)
      options.onProgress?.({ doneBytes: 1, totalBytes: 2 })
      return result
    }
    const face = { convert: note({ bytes: 1234, tensors: 3, warnings: [] }), quantize: note({ bytes: 500, tensors: 3, warnings: ['norms keep their type'] }) }
    const converted = await wick(['convert', 'folder', 'out.gguf', '--dtype', 'bf16'], { face })
    expect(converted).toMatchObject({ code: 0, out: 'out.gguf: 3 tensors, 1.23 kB\n', err: '' })
    const quantized = await wick(['quantize', 'in.gguf', 'out.gguf', '--type', 'q8_0'], { face, stderrIsTTY: true, env: { NO_COLOR: '1' } })
    expect(quantized.out).toBe('out.gguf: 3 tensors, 500 B\n')
    expect(quantized.err).toContain('Writing out.gguf')
    expect(quantized.err).toContain('warning: norms keep their type\n')
    expect(calls).toMatchObject([{ from: 'folder', to: 'out.gguf', dtype: 'bf16' }, { from: 'in.gguf', to: 'out.gguf', dtype: 'q8_0' }])
  })

  it('print the result as JSON', async () => {
    const { out } = await wick(['quantize', 'in.gguf', 'out.gguf', '--type', 'q4_0', '--json'])
    expect(JSON.parse(out)).toEqual({ bytes: 500, tensors: 3, warnings: ['norms keep their type'] })
  })

  it.each([
    { args: ['convert', 'folder'] },
    { args: ['convert', 'folder', 'out.gguf', '--dtype', 'q3_k'] },
    { args: ['quantize', 'in.gguf', 'out.gguf'] },
    { args: ['quantize', 'in.gguf', 'out.gguf', '--type', 'int8'] },
  ])('refuse $args', async ({ args }) => {
    expect(await wick(args)).toMatchObject({ code: 2, out: '' })
  })

  it('stop at Ctrl-C', async () => {
    let interrupt = () => false
    const convert = (options: ConvertOptions) =>
      new Promise<never>((_resolve, reject) => {
        options.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error))
        setImmediate(() => interrupt())
      })
    const stage = await wick(['convert', 'folder', 'out.gguf'], { face: { convert }, onStage: (stage) => (interrupt = stage.interrupt) })
    expect(stage).toMatchObject({ code: 130, out: '', err: '' })
  })
})

describe('wick bench', () => {
  const slowly = async function* (options: GenerateOptions) {
    for await (const part of words(options)) {
      await new Promise((resolve) => setTimeout(resolve, 2))
      yield part
    }
  }

  it('counts several answers together', async () => {
    const of = async (...flags: string[]) => {
      const stage = await wick(['bench', 'paper.gguf', '--prompt', '16', '--gen', '20', '--rounds', '1', '--json', ...flags], { answer: slowly })
      return { stage, figures: JSON.parse(stage.out) as Record<string, number> }
    }
    const { stage, figures } = await of('--sessions', '8')
    expect(figures['sessions']).toBe(8)
    // A warm-up of eight, and a round of eight, each with a prompt of its own.
    expect(stage.asked).toHaveLength(16)
    expect(new Set(stage.asked.slice(8).map(({ raw }) => JSON.stringify(raw))).size).toBe(8)
    // Waiting side by side costs nothing.
    expect(figures['decodeTokensPerSecond']).toBeGreaterThan(2 * ((await of()).figures['decodeTokensPerSecond'] ?? Infinity))
  })

  const words = (options: GenerateOptions) => spoken(Array.from({ length: options.maxTokens ?? 0 }, () => 'w'), options)

  it('prints its figures as JSON', async () => {
    const stage = await wick(['bench', 'paper.gguf', '--prompt', '257', '--gen', '48', '--threads', '2', '--rounds', '2', '--json'], { answer: words })
    const figures = JSON.parse(stage.out) as Record<string, number>
    expect(Object.keys(figures)).toEqual(['prefillTokensPerSecond', 'decodeTokensPerSecond', 'ttftMs', 'sessions', 'loadMs', 'rssBytes', 'threads', 'isa', 'backend'])
    expect(figures).toMatchObject({ threads: 2, isa: 'avx2', backend: 'candle', sessions: 1 })
    for (const name of ['prefillTokensPerSecond', 'decodeTokensPerSecond', 'ttftMs', 'rssBytes']) expect(figures[name]).toBeGreaterThan(0)
    expect(stage.loaded[0]?.options).toMatchObject({ threads: 2 })
  })

  it('asks for exactly so many tokens, greedy, over the end of text, each round with a prompt of its own', async () => {
    const { asked, out } = await wick(['bench', 'paper.gguf', '--prompt', '257', '--gen', '48', '--rounds', '3'], { answer: words })
    const [warmUp, ...rounds] = asked
    expect(warmUp).toMatchObject({ maxTokens: 2 })
    expect(rounds).toHaveLength(3)
    for (const round of rounds) {
      expect(round).toMatchObject({ temperature: 0, maxTokens: 48, ignoreEnd: true })
      expect((round.raw as { tokens: number[] }).tokens).toHaveLength(257)
    }
    const prompts = asked.map(({ raw }) => (raw as { tokens: number[] }).tokens.slice(0, 8).join())
    expect(new Set(prompts).size).toBe(4)
    expect(out).toContain('prefill')
  })
})

describe('wick support', () => {
  it('prints a row for each thing known and what it was tested against', async () => {
    const stage = await wick(['support'])
    expect(stage.code).toBe(0)
    expect(stage.out).toMatch(/^kind +name +state +tested against\n/)
    expect(stage.out).toMatch(/architecture +llama \(LlamaForCausalLM\) +known +transformers, llama\.cpp\n/)
    expect(stage.out).toMatch(/pre-tokenizer +llama3 +known +llama\.cpp/)
    expect(stage.out).toMatch(/pre-tokenizer +glm5 +known +nothing\n/)
    expect(stage.out).toMatch(/type +IQ2_S +unsupported/)
  })

  it('prints the same as JSON', async () => {
    const stage = await wick(['support', '--json'])
    const rows = JSON.parse(stage.out) as Array<{ kind: string; name: string; state: string; tested: string }>
    expect(rows).toContainEqual({ kind: 'type', name: 'Q4_K', state: 'known', tested: "PyPI gguf's values, bit for bit" })
    expect(rows).toContainEqual({ kind: 'pre-tokenizer', name: 'glm5', state: 'known', tested: '' })
  })
})

describe('wick doctor', () => {
  it('tells of the machine, and what loading chose and why', async () => {
    const stage = await wick(['doctor'], { env: { WICK_CPU: 'scalar', SECRET_KEY: 'hush' } })
    expect(stage.loaded[0]?.source).toBe('ember')
    for (const part of ['avx2', '2 physical', 'llama on candle, cpu, avx2, 2 threads', '256 of 512 tokens', 'why       paper burns', 'WICK_CPU  scalar']) {
      expect(stage.out).toContain(part)
    }
    expect(stage.out).not.toContain('hush')
    expect(stage).toMatchObject({ code: 0, err: '', closed: 1 })
  })

  it('prints its report even where the model does not load', async () => {
    const load = async (_source?: string, _options?: LoadOptions) => {
      throw new WickError('model-not-found', 'Nothing at x.gguf.')
    }
    const stage = await wick(['doctor', 'x.gguf', '--json'], { face: { load } })
    expect(JSON.parse(stage.out)).toMatchObject({ machine: { isa: 'avx2' }, model: { source: 'x.gguf', why: [] } })
    expect(stage.err).toContain('[model-not-found]')
    expect(stage.code).toBe(3)
  })
})
