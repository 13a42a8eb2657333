/**
 * An answer as it comes: text for people, or one part as JSON a line.
 *
 * With `--json` every delta carries its tokens, so a program sees ids and log-probabilities without asking for more.
 */
import type { FinishPart, GenerateOptions, ReasoningOptions, StreamPart } from '../index.js'
import { Interrupted } from './exit.js'
import { type common, generation, output, pick, reasoning, sampling, type Values } from './flags.js'
import { colours, type Io, write, writeJson } from './io.js'
import { figures, printable } from './render.js'

/** How an answer is shown. */
export type ShowValues = Values<typeof output> & Values<typeof common> & Pick<Values<typeof reasoning>, 'hideReasoning'>

type Options = Pick<GenerateOptions, keyof typeof sampling | keyof typeof generation>

/** What the flags say of a generation, as `generate` takes it. */
export function generationOptions(parsed: Record<string, unknown>): Options {
  const options = { ...pick(sampling, parsed), ...pick(generation, parsed) }
  return pick(output, parsed).json ? { ...options, logprobs: options.logprobs ?? 0 } : options
}

/** What the flags say of a thought, for prompts that go through a template. */
export function thinking(parsed: Record<string, unknown>): { reasoning?: ReasoningOptions } {
  const { reasoning: how, reasoningBudget } = pick(reasoning, parsed)
  if (how === undefined && reasoningBudget === undefined) return {}
  return { reasoning: { enabled: how === undefined ? undefined : how === 'on', budgetTokens: reasoningBudget } }
}

/** What an answer came to. `finish` is absent where it was stopped. */
export interface Shown {
  text: string
  reasoning: string
  finish?: FinishPart
}

/**
 * Prints the parts of a run, and gives the text. Where Ctrl-C stopped it, what there was has been printed.
 * Other failures are thrown, after what came before them.
 */
export async function showAnswer(io: Io, run: AsyncIterable<StreamPart>, values: ShowValues): Promise<Shown> {
  const shown: Shown = { text: '', reasoning: '' }
  const hidden = (part: StreamPart): boolean => values.hideReasoning === true && part.type.startsWith('reasoning-')
  try {
    for await (const part of run) {
      if (part.type === 'text-delta') shown.text += part.text
      if (part.type === 'reasoning-delta') shown.reasoning += part.text
      if (part.type === 'finish') shown.finish = part
      if (hidden(part)) continue
      if (values.json) await writeJson(io.stdout, part)
      else await showPart(io, part)
    }
  } catch (error) {
    if (!values.json) await endLine(io, shown.text)
    if (!(error instanceof Interrupted)) throw error
    return shown
  }
  if (!values.json) await endLine(io, shown.text)
  if (shown.finish !== undefined) showFigures(io, shown.finish, values)
  return shown
}

async function showPart(io: Io, part: StreamPart): Promise<void> {
  // A thought is for whoever watches: no program that reads the output should take it for the answer.
  if (io.stderr.isTTY && part.type === 'reasoning-delta') await write(io.stderr, colours(io.stderr, io.env).dim(harmless(part.text)))
  if (io.stderr.isTTY && part.type === 'reasoning-end') await write(io.stderr, '\n\n')
  if (part.type === 'text-delta') await write(io.stdout, io.stdout.isTTY ? harmless(part.text) : part.text)
  if (part.type === 'start') {
    for (const { message } of part.warnings) io.stderr.write(`${colours(io.stderr, io.env).yellow('warning:')} ${printable(message)}\n`)
  }
}

/** Text without the control characters a terminal would obey; line ends and tabs stay. */
function harmless(text: string): string {
  return text.replace(/[^\n\t]+/g, (run) => printable(run))
}

async function endLine(io: Io, text: string): Promise<void> {
  if (text !== '' && !text.endsWith('\n')) await write(io.stdout, '\n')
}

function showFigures(io: Io, finish: FinishPart, values: ShowValues): void {
  if (io.stderr.isTTY || values.verbose) io.stderr.write(`${colours(io.stderr, io.env).dim(figures(finish))}\n`)
}
