import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type LoadOptions, WickError } from '../../src/index.js'
import { sampling } from '../../src/cli/flags.js'
import { finished, spoken, thoughtful, wick } from './stage.js'

const folder = mkdtempSync(join(tmpdir(), 'wick-cli-'))
const template = join(folder, 'chat.jinja')
writeFileSync(template, '{{ messages }}')

describe('what the words of wick run mean', () => {
  it.each([
    { words: ['Tell me about the lighthouse'], model: 'ember', prompt: 'Tell me about the lighthouse' },
    { words: ['ember'], stdin: 'Hi', model: 'ember', prompt: 'Hi' },
    { words: ['model.gguf'], stdin: 'Hi\n', model: 'model.gguf', prompt: 'Hi' },
    { words: ['MODEL.GGUF', 'Hi'], model: 'MODEL.GGUF', prompt: 'Hi' },
    { words: [folder], stdin: 'Hi', model: folder, prompt: 'Hi' },
    { words: ['./not-there'], stdin: 'Hi', model: './not-there', prompt: 'Hi' },
    { words: ['either/or'], model: 'ember', prompt: 'either/or' },
    { words: ['./a dot, then words'], model: 'ember', prompt: './a dot, then words' },
    { words: ['anything', 'Hi'], model: 'anything', prompt: 'Hi' },
    { words: [], stdin: ['from', ' a pipe\r\n'], model: 'ember', prompt: 'from a pipe' },
    { words: ['-'], stdin: 'piped', model: 'ember', prompt: 'piped' },
    { words: ['ember', '-'], stdin: 'piped', model: 'ember', prompt: 'piped' },
    { words: ['ember', ''], model: 'ember', prompt: '' },
    { words: ['ember', 'given'], stdin: 'not read', model: 'ember', prompt: 'given' },
  ])('$words', async ({ words, stdin, model, prompt }) => {
    const stage = await wick(['run', ...words], stdin === undefined ? {} : { stdin })
    expect(stage.err).not.toContain('wick:')
    expect(stage.code).toBe(0)
    expect(stage.loaded[0]?.source).toBe(model)
    expect(stage.asked[0]?.prompt).toBe(prompt)
  })

  it('takes the one word as the model where the prompt is token ids', async () => {
    const stage = await wick(['run', '--tokens', '[1, 2,3]', 'some-folder'])
    expect(stage.loaded[0]?.source).toBe('some-folder')
    expect(stage.asked[0]?.raw).toEqual({ tokens: [1, 2, 3] })
  })
})

describe('what the flags of wick run become', () => {
  const cases: Array<{ flags: string[]; asked?: object; loaded?: object }> = [
    { flags: ['--temperature', '0'], asked: { temperature: 0 } },
    { flags: ['--top-k', '5', '--top-p', '0.5', '--min-p', '0'], asked: { topK: 5, topP: 0.5, minP: 0 } },
    { flags: ['--repetition-penalty', '1.1', '--penalty-window', '0'], asked: { repetitionPenalty: 1.1, penaltyWindow: 0 } },
    { flags: ['--chain', 'top-k, temperature'], asked: { chain: ['top-k', 'temperature'] } },
    { flags: ['--frequency-penalty', '-2', '--presence-penalty', '2'], asked: { frequencyPenalty: -2, presencePenalty: 2 } },
    { flags: ['--preset', 'creative'], asked: { preset: 'creative' } },
    { flags: ['--dynamic-temperature-range', '0.5', '--dynamic-temperature-exponent', '2'], asked: { dynamicTemperatureRange: 0.5, dynamicTemperatureExponent: 2 } },
    { flags: ['--typical-p', '0.9', '--top-n-sigma', '1.5'], asked: { typicalP: 0.9, topNSigma: 1.5 } },
    { flags: ['--xtc-probability', '0.5', '--xtc-threshold', '0.2'], asked: { xtcProbability: 0.5, xtcThreshold: 0.2 } },
    { flags: ['--dry-multiplier', '0.8', '--dry-base', '2', '--dry-allowed-length', '3', '--dry-window', '9'], asked: { dryMultiplier: 0.8, dryBase: 2, dryAllowedLength: 3, dryWindow: 9 } },
    { flags: ['--dry-sequence-breaker', '\n', '--dry-sequence-breaker', '#'], asked: { drySequenceBreakers: ['\n', '#'] } },
    { flags: ['--ban', '13', '--ban', ' the'], asked: { bannedTokens: [13, ' the'] } },
    { flags: ['--draw', 'mirostat-v1', '--mirostat-tau', '3', '--mirostat-eta', '0.2'], asked: { draw: 'mirostat-v1', mirostatTau: 3, mirostatEta: 0.2 } },
    { flags: ['--chain', 'dry,xtc'], asked: { chain: ['dry', 'xtc'] } },
    { flags: ['--logit-bias', '13=-2.5', '--logit-bias', '7=-inf'], asked: { logitBias: { 13: -2.5, 7: -Infinity } } },
    { flags: ['--seed', '9007199254740991'], asked: { seed: Number.MAX_SAFE_INTEGER } },
    { flags: ['-n', '3', '--ignore-eos'], asked: { maxTokens: 3, ignoreEnd: true } },
    { flags: ['--stop', 'a', '--stop', '\n'], asked: { stop: ['a', '\n'] } },
    { flags: ['--logprobs', '5', '--overflow', 'shift'], asked: { logprobs: 5, overflow: 'shift' } },
    { flags: ['--reasoning', 'on'], asked: { reasoning: { enabled: true } } },
    { flags: ['--reasoning', 'off', '--reasoning-budget', '7'], asked: { reasoning: { enabled: false, budgetTokens: 7 } } },
    { flags: ['--reasoning-budget', '0'], asked: { reasoning: { budgetTokens: 0 } } },
    { flags: ['--json'], asked: { logprobs: 0 } },
    { flags: ['--json', '--logprobs', '2'], asked: { logprobs: 2 } },
    { flags: ['--system', 'Be brief.'], asked: { prompt: 'Hi', system: 'Be brief.' } },
    { flags: ['--response-prefix', '{'], asked: { prompt: 'Hi', responsePrefix: '{' } },
    { flags: ['--raw'], asked: { raw: { text: 'Hi', parseControl: false } } },
    { flags: ['--raw', '--parse-control'], asked: { raw: { text: 'Hi', parseControl: true } } },
    { flags: ['-c', '128', '-t', '2'], loaded: { contextTokens: 128, threads: 2 } },
    { flags: ['--device', 'cuda', '--backend', 'reference'], loaded: { device: 'cuda', backend: 'reference' } },
    { flags: ['--chat-template', template], loaded: { chatTemplate: '{{ messages }}' } },
    { flags: ['--metadata', 'llama.rope.freq_base=1e4', '--metadata', 'general.name=a=b'], loaded: { metadata: { 'llama.rope.freq_base': 1e4, 'general.name': 'a=b' } } },
    { flags: ['--no-mmap', '--mlock'], loaded: { mmap: false, mlock: true } },
    { flags: ['--quantize', 'q8_0'], loaded: { quantize: 'q8_0' } },
    { flags: ['--max-sessions', '4', '--kv-bytes', '2gb', '--prefix-cache-bytes', '0'], loaded: { maxSessions: 4, kvBytes: 2e9, prefixCacheBytes: 0 } },
    { flags: ['--kv-bytes', '1.5GiB', '--prefix-cache-bytes', '512 mb'], loaded: { kvBytes: 1.5 * 2 ** 30, prefixCacheBytes: 512e6 } },
    { flags: ['--kv-bytes', '1000000', '--prefix-cache-bytes', '7b'], loaded: { kvBytes: 1e6, prefixCacheBytes: 7 } },
    { flags: ['--draft', 'prompt-lookup'], loaded: { draft: 'prompt-lookup' } },
    { flags: ['--draft', 'none'], loaded: { draft: false } },
    { flags: ['--draft', './small.gguf'], loaded: { draft: { model: './small.gguf' } } },
  ]
  it.each(cases)('$flags', async ({ flags, asked = {}, loaded = {} }) => {
    const stage = await wick(['run', ...flags, 'ember', 'Hi'])
    expect(stage.code).toBe(0)
    expect(stage.asked[0]).toMatchObject(asked)
    expect(stage.loaded[0]?.options).toMatchObject(loaded)
  })

  it('leaves what is not given to the library', async () => {
    const stage = await wick(['run', 'Hi'])
    expect(Object.keys(stage.asked[0] ?? {}).sort()).toEqual(['model', 'prompt', 'responsePrefix', 'signal', 'system'])
    expect(Object.keys(stage.loaded[0]?.options ?? {}).sort()).toEqual(['log', 'onProgress', 'signal'])
  })

  it.each([
    { args: ['--temperature', 'warm'], says: '"warm" is not a number from 0' },
    { args: ['--temperature', '-1'], says: '"-1" is not a number from 0' },
    { args: ['--temperature', ''], says: 'is not a number' },
    { args: ['--top-p', '0'], says: 'above 0' },
    { args: ['--top-k', '1.5'], says: 'whole number' },
    { args: ['--preset', 'wild'], says: 'deterministic, focused, balanced, creative' },
    { args: ['--xtc-threshold', '0.6'], says: 'up to 0.5' },
    { args: ['--dry-base', '0.5'], says: 'from 1' },
    { args: ['--ban', '4294967296'], says: 'not a token id' },
    { args: ['--ban', ''], says: 'empty' },
    { args: ['--draw', 'lots'], says: 'gumbel-max' },
    { args: ['--max-tokens', '0'], says: 'from 1' },
    { args: ['--seed', '9007199254740992'], says: 'whole number' },
    { args: ['--logprobs', '21'], says: 'up to 20' },
    { args: ['--stop', ''], says: 'empty' },
    { args: ['--logit-bias', '13'], says: 'ID=BIAS' },
    { args: ['--logit-bias', '13=inf'], says: 'ID=BIAS' },
    { args: ['--reasoning', 'maybe'], says: 'on, off' },
    { args: ['--reasoning-budget', '-1'], says: 'from 0' },
    { args: ['--raw', '--reasoning', 'off', 'ember', 'Hi'], says: '--raw' },
    { args: ['--tokens', '1', '--reasoning-budget', '0'], says: '--tokens' },
    { args: ['--metadata', '=1'], says: 'KEY=VALUE' },
    { args: ['--tokens', '1,-2'], says: '"-2" is not a token id' },
    { args: ['--device', 'tpu'], says: 'auto, cpu, cuda, metal' },
    { args: ['--chat-template', join(folder, 'missing')], says: '--chat-template' },
    { args: ['--kv-bytes', '0'], says: 'is not a size from 1' },
    { args: ['--kv-bytes', '2 g'], says: 'is not a size' },
    { args: ['--kv-bytes', '2ib'], says: 'is not a size' },
    { args: ['--prefix-cache-bytes', '-1'], says: 'is not a size from 0' },
    { args: ['--prefix-cache-bytes', '99999999tb'], says: 'is not a size' },
    { args: ['--max-sessions', '0'], says: 'from 1' },
    { args: ['--draft', ''], says: 'empty' },
    { args: ['--tempurature', '1'], says: '--temperature' },
    { args: ['a', 'b', 'c'], says: 'too many arguments' },
    { args: ['--raw', '--system', 'x', 'ember', 'Hi'], says: '--raw' },
    { args: ['--raw', '--response-prefix', 'x', 'ember', 'Hi'], says: '--raw' },
    { args: ['--tokens', '1', '--system', 'x'], says: '--tokens' },
    { args: ['--tokens', '1', 'ember', 'Hi'], says: 'leave PROMPT out' },
    { args: ['--parse-control', 'Hi'], says: '--raw' },
  ])('refuses $args with 2', async ({ args, says }) => {
    const stage = await wick(['run', ...args], { stdin: 'Hi' })
    expect(stage.err).toContain(says)
    expect(stage.out).toBe('')
    expect(stage.code).toBe(2)
    expect(stage.asked).toEqual([])
  })

  it('says what to do where there is no prompt', async () => {
    const stage = await wick(['run'])
    expect(stage.err).toContain('wick chat')
    expect(stage.code).toBe(2)
    expect(stage.loaded).toEqual([])
  })
})

describe('what wick run prints', () => {
  it('is the text and a line end where stdout is a pipe, and nothing else', async () => {
    const stage = await wick(['run', 'Hi'], { answer: ['Hello', '\u001b[2J'] })
    expect(stage.out).toBe('Hello\u001b[2J\n')
    expect(stage.err).toBe('warning: paper burns\n')
    expect(stage.closed).toBe(1)
  })

  it('adds no second line end', async () => {
    expect((await wick(['run', 'Hi'], { answer: ['Hello\n'] })).out).toBe('Hello\n')
  })

  it('keeps a model from driving the terminal', async () => {
    const stage = await wick(['run', 'Hi'], { answer: ['a\tb\n', '\u001b[2J'], stdoutIsTTY: true })
    expect(stage.out).toBe('a\tb\n\\x1b[2J\n')
  })

  it('is one part as JSON a line with --json, tokens included', async () => {
    const stage = await wick(['run', '--json', 'Hi'], { answer: ['Hel', 'lo'] })
    const parts = stage.out.trimEnd().split('\n').map((line) => JSON.parse(line) as { type: string })
    expect(parts.map(({ type }) => type)).toEqual(['start', 'text-start', 'text-delta', 'text-delta', 'text-end', 'finish'])
    expect(parts[2]).toEqual({ type: 'text-delta', id: '0', text: 'Hel', tokens: [{ id: 0, text: 'Hel', logprob: -0.5, top: [] }] })
    expect(parts[5]).toEqual(finished(2))
  })

  it.each([
    { title: 'on a terminal', scene: { stderrIsTTY: true, env: { NO_COLOR: '1' } }, flags: [] },
    { title: 'with --verbose', scene: {}, flags: ['--verbose'] },
  ])('ends with the figures on stderr $title', async ({ scene, flags }) => {
    const stage = await wick(['run', ...flags, 'Hi'], scene)
    expect(stage.err).toContain('2 tokens at 20.0 tok/s · prompt 10 tokens, 2 cached at 800 tok/s · first token 12.3 ms · stop\n')
  })

  it.each([
    { env: {}, coloured: true },
    { env: { NO_COLOR: '1' }, coloured: false },
    { env: { TERM: 'dumb' }, coloured: false },
  ])('has colours on a terminal unless $env', async ({ env, coloured }) => {
    const stage = await wick(['run', 'Hi'], { stderrIsTTY: true, env })
    expect(stage.err.includes('\u001b[33mwarning:')).toBe(coloured)
  })

  it('draws a bar of the load on a terminal only', async () => {
    expect((await wick(['run', 'Hi'], { stderrIsTTY: true })).err).toContain('Loading ember')
    expect((await wick(['run', 'Hi'])).err).not.toContain('Loading')
  })

  it('shows warnings of the answer on stderr', async () => {
    const answer = async function* () {
      yield { type: 'start' as const, warnings: [{ message: 'no such thing' }] }
      yield finished(0)
    }
    expect((await wick(['run', '--log-level', 'silent', 'Hi'], { answer })).err).toBe('warning: no such thing\n')
  })
})

describe('how wick run ends', () => {
  const failing = (error: unknown) => async function* () {
    yield { type: 'start' as const, warnings: [] }
    yield { type: 'text-delta' as const, id: '0', text: 'so far' }
    throw error
  }

  it.each([
    { code: 'invalid-request', exit: 2 },
    { code: 'model-not-found', exit: 3 },
    { code: 'model-invalid', exit: 3 },
    { code: 'unsupported', exit: 3 },
    { code: 'tokenizer', exit: 3 },
    { code: 'out-of-memory', exit: 4 },
    { code: 'context-overflow', exit: 5 },
    { code: 'io', exit: 1 },
    { code: 'internal', exit: 1 },
  ] as const)('$code exits with $exit', async ({ code, exit }) => {
    const stage = await wick(['run', 'Hi'], { answer: failing(new WickError(code, 'What went wrong.')) })
    expect(stage.out).toBe('so far\n')
    expect(stage.err).toContain(`wick: What went wrong. [${code}]\n`)
    expect(stage.err).not.toContain('    at ')
    expect(stage.code).toBe(exit)
    expect(stage.closed).toBe(1)
  })

  it('offers what the command line can do', async () => {
    const stage = await wick(['run', 'Hi'], { answer: failing(new WickError('context-overflow', 'Too long.')) })
    expect(stage.err).toContain('--overflow shift')
  })

  it('shows the stack with --verbose, and of a bug what to report', async () => {
    const stage = await wick(['run', '--verbose', 'Hi'], { answer: failing(new TypeError('x is not a function')) })
    expect(stage.err).toContain('wick doctor')
    expect(stage.err).toContain('    at ')
    expect(stage.code).toBe(1)
  })

  it('is silent and 0 when the reader has gone, and closes the model', async () => {
    const stage = await wick(['run', '--log-level', 'silent', 'Hi'], { answer: ['a', 'b', 'c'], brokenPipe: true })
    expect(stage).toMatchObject({ code: 0, out: 'a', err: '', closed: 1 })
  })

  it('is 130 on Ctrl-C, after what there was', async () => {
    const stage = await wick(['run', 'Hi'], { answer: ['a', 'b', 'c'], onOutput: (text, stage) => void (text === 'a' && stage.interrupt()) })
    expect(stage).toMatchObject({ code: 130, out: 'a\n', closed: 1, exited: [] })
  })

  it('does not wait for the end at a second Ctrl-C', async () => {
    const answer = async function* (options: Parameters<typeof spoken>[1]) {
      yield { type: 'text-delta' as const, id: '0', text: 'a' }
      await new Promise((resolve) => setTimeout(resolve, 20)) // deaf to the signal for a while
      options.signal?.throwIfAborted()
    }
    const stage = await wick(['run', 'Hi'], { answer, onOutput: (text, stage) => void (text === 'a' && stage.interrupt() && stage.interrupt()) })
    expect(stage.exited).toEqual([130])
  })

  it('is 130 on Ctrl-C during the load', async () => {
    let interrupt = () => false
    const load = (_source?: string, options?: LoadOptions) =>
      new Promise<never>((_resolve, reject) => {
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error))
        setImmediate(() => interrupt())
      })
    const stage = await wick(['run', 'Hi'], { face: { load }, onStage: (stage) => (interrupt = stage.interrupt) })
    expect(stage).toMatchObject({ code: 130, out: '', err: '', asked: [] })
  })
})

describe('wick itself', () => {
  it.each([
    { args: [], code: 2, on: 'err' as const },
    { args: ['--help'], code: 0, on: 'out' as const },
    { args: ['help', 'run'], code: 0, on: 'out' as const },
    { args: ['run', '--help'], code: 0, on: 'out' as const },
    { args: ['--version'], code: 0, on: 'out' as const },
    { args: ['walk'], code: 2, on: 'err' as const },
  ])('$args exits with $code and writes to std$on', async ({ args, code, on }) => {
    const stage = await wick(args)
    expect(stage.code).toBe(code)
    expect(stage[on]).not.toBe('')
    expect(stage[on === 'out' ? 'err' : 'out']).toBe('')
  })

  it('names defaults and units in its help', async () => {
    const { out } = await wick(['run', '--help'])
    expect(out).toContain('0 is greedy (default: 0.8)')
    for (const { flags } of Object.values(sampling)) expect(out).toContain(flags)
    expect(out).toContain('context window in tokens (default: auto')
  })

  it.each(['run', 'chat', 'inspect', 'tokenize', 'evaluate', 'convert', 'quantize', 'bench', 'doctor'])('has %s', async (name) => {
    expect((await wick([name, '--help'])).code).toBe(0)
    expect((await wick(['--help'])).out).toContain(name)
  })
})

describe('a thought', () => {
  const answer = () => thoughtful('Hm.\u001b[2J', 'Yes.')

  it('is dimmed on a terminal\'s stderr, and harmless there; stdout has the answer alone', async () => {
    const stage = await wick(['run', 'Hi'], { stderrIsTTY: true, answer })
    expect(stage.out).toBe('Yes.\n')
    expect(stage.err).toContain('\u001b[2mHm.')
    expect(stage.err).not.toContain('\u001b[2J')
  })

  it.each([
    { title: 'where stderr is no terminal', args: [], stderrIsTTY: false },
    { title: 'with --hide-reasoning', args: ['--hide-reasoning'], stderrIsTTY: true },
  ])('is not shown $title', async ({ args, stderrIsTTY }) => {
    const stage = await wick(['run', ...args, 'Hi'], { stderrIsTTY, answer })
    expect(stage.out).toBe('Yes.\n')
    expect(stage.err).not.toContain('Hm.')
  })

  it('is parts with --json, unless hidden', async () => {
    const types = (out: string) => out.trimEnd().split('\n').map((line) => (JSON.parse(line) as { type: string }).type)
    const [shown, hidden] = [await wick(['run', '--json', 'Hi'], { answer }), await wick(['run', '--json', '--hide-reasoning', 'Hi'], { answer })]
    expect(types(shown.out)).toEqual(['start', 'reasoning-start', 'reasoning-delta', 'reasoning-end', 'text-start', 'text-delta', 'text-end', 'finish'])
    expect(types(hidden.out)).toEqual(['start', 'text-start', 'text-delta', 'text-end', 'finish'])
  })
})
