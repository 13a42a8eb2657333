/** `wick evaluate`: what a model expects at each place of a given text. */
import type { Command } from 'commander'
import type { LocalModel } from '../../index.js'
import { UsageError } from '../exit.js'
import { addFlags, common, type Flags, loading, output, pick } from '../flags.js'
import { interruptible } from '../interrupt.js'
import { type Io, write, writeJson } from '../io.js'
import { distribution, type Expected } from '../logits.js'
import { withModel } from '../model.js'
import { positionals, promptText } from '../prompt.js'
import { printable, table } from '../render.js'
import { integer, tokenIds } from '../values.js'

const own = {
  tokens: { flags: '--tokens <ids>', about: 'token ids, as they are: 1,2,3', read: tokenIds },
  top: { flags: '--top <n>', about: 'how many of the most probable next tokens; the vocabulary\'s size gives all', standard: '5', read: integer() },
} satisfies Flags

const notes = `
Runs the model over the tokens, without sampling, and prints for each position the log-probability of the token that
follows there and the most probable ones. TEXT is tokenised as a raw prompt, beginning-of-text token included.
--json prints a line a position: {"position", "token", "next": {"id", "logprob"} | null, "top": [{"id", "text", "logprob"}]}

  wick evaluate model.gguf --tokens 1,450,4996 --top 3 --json`

/** Logits held at a time, in bytes: positions are asked for in blocks of this size. */
const blockBytes = 128 << 20

export function evaluate(program: Command, io: Io): void {
  const command = program.command('evaluate').description('log-probabilities along given tokens').argument('[model]').argument('[text]')
  addFlags(command, own)
  addFlags(command, loading)
  addFlags(command, output, { json: 'one position as JSON a line on stdout' })
  addFlags(command, common)
  command.addHelpText('after', notes).action((first?: string, second?: string) => evaluateAll(io, [first, second], command.opts()))
}

async function evaluateAll(io: Io, words: Array<string | undefined>, parsed: Record<string, unknown>): Promise<void> {
  const { tokens: ids, top = 5 } = pick(own, parsed)
  if (ids && words[1] !== undefined) throw new UsageError('--tokens is all there is to evaluate: leave TEXT out.')
  const { model: source, prompt } = positionals(words.filter((word) => word !== undefined), ids !== undefined)
  const text = ids ? '' : await promptText(prompt, io)
  const { json } = pick(output, parsed)
  await interruptible(io, (signal) =>
    withModel(io, source, { ...pick(loading, parsed), ...pick(common, parsed) }, { signal }, async (model) => {
      const tokens = Uint32Array.from(ids ?? model.tokenize(text, { addSpecial: true }))
      if (tokens.length === 0) throw new UsageError('Nothing to evaluate: the text has no tokens.')
      for await (const [position, expected] of positions(model, tokens, top, signal)) {
        await (json ? writeJson(io.stdout, asJson(model, tokens, position, expected)) : showRow(io, model, tokens, position, expected))
      }
    }),
  )
}

async function* positions(model: LocalModel, tokens: Uint32Array, top: number, signal: AbortSignal): AsyncGenerator<[number, Expected]> {
  const block = Math.max(1, Math.floor(blockBytes / (4 * model.info.vocabSize)))
  for (let start = 0; start < tokens.length; start += block) {
    const end = Math.min(tokens.length, start + block)
    const positions = Uint32Array.from({ length: end - start }, (_, at) => start + at)
    const rows = await model.evaluate(tokens.subarray(0, end), { positions, signal })
    for (const [at, logits] of rows.entries()) yield [start + at, distribution(logits, top, tokens[start + at + 1])]
  }
}

function asJson(model: LocalModel, tokens: Uint32Array, position: number, { next, top }: Expected) {
  return { position, token: tokens[position], next, top: top.map((token) => ({ ...token, text: piece(model, token.id) })) }
}

async function showRow(io: Io, model: LocalModel, tokens: Uint32Array, position: number, { next, top }: Expected): Promise<void> {
  const show = (id: number, logprob: number) => `"${printable(piece(model, id))}" ${logprob.toFixed(3)}`
  const row = [
    String(position).padStart(5),
    `"${printable(piece(model, tokens[position] ?? 0))}"`.padEnd(16),
    (next === null ? '' : `-> ${show(next.id, next.logprob)}`).padEnd(24),
    top.map(({ id, logprob }) => show(id, logprob)).join('  '),
  ]
  await write(io.stdout, table([row]))
}

function piece(model: LocalModel, id: number): string {
  return model.detokenize([id], { showControl: true })
}
