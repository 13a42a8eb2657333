/**
 * `wick bench`: how fast a model is here, by wall clock through the public API.
 *
 * A prompt of exactly so many token ids, one answer of exactly so many tokens, end of text ignored, greedy. Log-probabilities
 * are asked for (none of the alternatives) because then each token shows when it is sampled, not when its text is whole; that
 * is one pass over the logits a token.
 */
import type { Command } from 'commander'
import type { LocalModel } from '../../index.js'
import { addFlags, common, type Flags, loading, output, pick } from '../flags.js'
import { interruptible } from '../interrupt.js'
import { type Io, write, writeJson } from '../io.js'
import { withModel } from '../model.js'
import { defaultModel } from '../prompt.js'
import { bytes, fields, figure } from '../render.js'
import { integer } from '../values.js'

const own = {
  prompt: { flags: '--prompt <tokens>', about: 'length of the prompt in tokens', standard: '257', read: integer({ min: 1 }) },
  gen: { flags: '--gen <tokens>', about: 'tokens to generate, 2 and up', standard: '48', read: integer({ min: 2 }) },
  sessions: { flags: '--sessions <n>', about: 'answers at once; speeds are of all together', standard: '1', read: integer({ min: 1, max: 1024 }) },
  rounds: { flags: '--rounds <n>', about: 'how often; the medians are printed', standard: '3', read: integer({ min: 1 }) },
} satisfies Flags

const notes = `
Each round has a prompt of its own, so next to nothing is found in a cache; a short run before them warms up. Prefill is the
prompt's tokens over the time to the first token; decode is the tokens after the first over the time they took. Of several
sessions, prefill is all prompts over the time until the last has its first token, and decode what is said from the first
token of any of them to the last.

  wick bench model.gguf --prompt 257 --gen 48 --threads 2 --json
  wick bench model.gguf --sessions 8 --prompt 32 --gen 64`

export function bench(program: Command, io: Io): void {
  const command = program.command('bench').description('measures prefill, decode, time to first token, load time and memory').argument('[model]')
  addFlags(command, own)
  addFlags(command, loading)
  addFlags(command, output, {
    json: '{"prefillTokensPerSecond", "decodeTokensPerSecond", "ttftMs", "loadMs", "rssBytes", "threads", "isa", "backend"} on stdout',
  })
  addFlags(command, common)
  command.addHelpText('after', notes).action((model: string = defaultModel) => measure(io, model, command.opts()))
}

async function measure(io: Io, source: string, parsed: Record<string, unknown>): Promise<void> {
  const { prompt = 257, gen = 48, rounds = 3, sessions = 1 } = pick(own, parsed)
  await interruptible(io, async (signal) => {
    const started = performance.now()
    await withModel(io, source, { ...pick(loading, parsed), ...pick(common, parsed) }, { signal }, async (model) => {
      const loadMs = performance.now() - started
      const ids = ordinaryTokens(model)
      const beside = (n: number, length: number, gen: number): Promise<Answer[]> =>
        Promise.all(Array.from({ length: sessions }, (_, at) => timed(io, model, promptOf(ids, length, n * sessions + at), gen, signal)))
      await beside(rounds, 16, 2)
      const times: Round[] = []
      for (let n = 0; n < rounds; n += 1) times.push(together(await beside(n, prompt, gen)))
      const figures = {
        prefillTokensPerSecond: median(times.map(({ prefill }) => prefill)),
        decodeTokensPerSecond: median(times.map(({ decode }) => decode)),
        ttftMs: median(times.map(({ ttftMs }) => ttftMs)),
        sessions,
        loadMs,
        rssBytes: process.memoryUsage.rss(),
        threads: model.info.threads,
        isa: model.info.isa,
        backend: model.info.backend,
      }
      await (pick(output, parsed).json ? writeJson(io.stdout, figures) : write(io.stdout, forPeople(figures)))
    })
  })
}

/** When things happened in one answer, in ms of the process's clock. */
interface Answer {
  started: number
  first: number
  last: number
  /** Prompt tokens that were computed, not found in a cache. */
  computed: number
  /** Tokens after those that came with the first. */
  decoded: number
}

/** Answers at once: tokens a second of all of them, and the median time to a first token. */
interface Round {
  prefill: number
  decode: number
  ttftMs: number
}

function together(answers: Answer[]): Round {
  const all = (of: (answer: Answer) => number): number[] => answers.map(of)
  const sum = (of: (answer: Answer) => number): number => all(of).reduce((sum, value) => sum + value, 0)
  const prefillMs = Math.max(...all(({ first }) => first)) - Math.min(...all(({ started }) => started))
  const decodeMs = Math.max(...all(({ last }) => last)) - Math.min(...all(({ first }) => first))
  return {
    prefill: (sum(({ computed }) => computed) / prefillMs) * 1000,
    decode: (sum(({ decoded }) => decoded) / decodeMs) * 1000,
    ttftMs: median(all(({ started, first }) => first - started)),
  }
}

async function timed(io: Io, model: LocalModel, tokens: number[], gen: number, signal: AbortSignal): Promise<Answer> {
  const options = { temperature: 0, maxTokens: gen, ignoreEnd: true, logprobs: 0, signal }
  const started = performance.now()
  let first: number | undefined
  let atFirst = 0
  let last = started
  let sampled = 0
  let computed = tokens.length
  for await (const part of io.face.generate({ model, raw: { tokens }, ...options })) {
    if (part.type === 'finish') computed = part.usage.promptTokens - part.usage.cachedTokens
    if (part.type !== 'text-delta') continue
    last = performance.now()
    sampled += part.tokens?.length ?? 0
    if (first === undefined && sampled > 0) [first, atFirst] = [last, sampled]
  }
  if (first === undefined) throw new Error('The model ended without a token, though it was told to go on.')
  return { started, first, last, computed, decoded: sampled - atFirst }
}

/** Ids of plain words, for prompts that look like text to the model; any token where the vocabulary has no such words. */
function ordinaryTokens(model: LocalModel): number[] {
  const ids = Array.from(model.tokenize('The keeper lit the lamp at dusk, and the ships far out turned slowly toward the harbour. '))
  return ids.length > 0 ? ids : [0]
}

/** Exactly `length` ids: the words from the `shift`-th on, over and over, so that no two prompts begin alike. */
function promptOf(ids: number[], length: number, shift: number): number[] {
  return Array.from({ length }, (_, at) => ids[(at + shift) % ids.length] ?? 0)
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
}

function forPeople(figures: Record<'prefillTokensPerSecond' | 'decodeTokensPerSecond' | 'ttftMs' | 'sessions' | 'loadMs' | 'rssBytes' | 'threads', number> & Record<'isa' | 'backend', string>): string {
  return fields([
    ['prefill', `${figure(figures.prefillTokensPerSecond)} tok/s`],
    ['decode', `${figure(figures.decodeTokensPerSecond)} tok/s`],
    ['first token', `${figure(figures.ttftMs)} ms`],
    ['sessions', figures.sessions],
    ['load', `${figure(figures.loadMs)} ms`],
    ['memory', bytes(figures.rssBytes)],
    ['threads', figures.threads],
    ['isa', figures.isa],
    ['backend', figures.backend],
  ])
}
