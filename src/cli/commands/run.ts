/** `wick run`: one answer. */
import type { Command } from 'commander'
import { generationOptions, showAnswer, thinking } from '../answer.js'
import { Interrupted, UsageError } from '../exit.js'
import { addFlags, common, conversation, type Flags, generation, loading, output, pick, reasoning, sampling, type Values } from '../flags.js'
import { interruptible } from '../interrupt.js'
import type { Io } from '../io.js'
import { withModel } from '../model.js'
import { positionals, promptText } from '../prompt.js'
import { tokenIds } from '../values.js'

const own = {
  raw: { flags: '--raw', about: 'continues PROMPT as it is, without the chat template' },
  parseControl: { flags: '--parse-control', about: 'with --raw: control tokens written in PROMPT become those tokens' },
  tokens: { flags: '--tokens <ids>', about: 'token ids to continue, instead of PROMPT: 1,2,3', read: tokenIds },
} satisfies Flags

const examples = `
MODEL is ember (the model in the package, and the default), a .gguf file, or a Hugging Face folder. One word alone is
MODEL if it is ember, ends in .gguf or is a path that exists, and PROMPT otherwise. Without PROMPT, or with -, it is read
from stdin.

  wick run "Tell me about the lighthouse"
  wick run ./model.gguf --temperature 0 --max-tokens 200 < question.txt
  wick run --raw --json ./model.gguf ""        from the beginning-of-text token, one part as JSON a line`

export function run(program: Command, io: Io): void {
  const command = program.command('run').description('answers a prompt').argument('[model]').argument('[prompt]')
  addFlags(command, own)
  addFlags(command, conversation)
  addFlags(command, generation)
  addFlags(command, sampling)
  addFlags(command, reasoning)
  addFlags(command, loading)
  addFlags(command, output, { json: 'one part as JSON a line on stdout, token ids and log-probabilities included' })
  addFlags(command, common)
  command.addHelpText('after', examples).action((first?: string, second?: string) => runOnce(io, [first, second], command.opts()))
}

async function runOnce(io: Io, words: Array<string | undefined>, parsed: Record<string, unknown>): Promise<void> {
  const values = { ...pick(own, parsed), ...pick(conversation, parsed), ...pick(reasoning, parsed) }
  refuseContradictions(values, words)
  const { model: source, prompt } = positionals(words.filter((word) => word !== undefined), values.tokens !== undefined)
  const request = await promptOf(io, values, prompt)
  const show = { ...pick(output, parsed), ...pick(common, parsed), ...pick(reasoning, parsed) }
  await interruptible(io, (signal) =>
    withModel(io, source, { ...pick(loading, parsed), ...pick(common, parsed) }, { signal }, async (model) => {
      const answer = await showAnswer(io, io.face.generate({ model, ...request, ...generationOptions(parsed), signal }), show)
      if (answer.finish === undefined) throw new Interrupted()
    }),
  )
}

type RunValues = Values<typeof own> & Values<typeof conversation> & Values<typeof reasoning>

/** Flags that would have to be ignored beside another one. */
const contradictions: ReadonlyArray<[flag: keyof RunValues, other: keyof RunValues, message: string]> = [
  ['raw', 'system', '--system needs the chat template, which --raw leaves out.'],
  ['raw', 'responsePrefix', '--response-prefix needs the chat template, which --raw leaves out; write the prefix at the end of PROMPT.'],
  ['raw', 'reasoning', '--reasoning needs the chat template, which --raw leaves out.'],
  ['raw', 'reasoningBudget', '--reasoning-budget needs the chat template, which --raw leaves out.'],
  ['tokens', 'reasoning', '--tokens is the whole prompt: no template is there to tell --reasoning.'],
  ['tokens', 'reasoningBudget', '--tokens is the whole prompt: no template is there to know thoughts from, for --reasoning-budget.'],
  ['tokens', 'system', '--tokens is the whole prompt: --system has no place in it.'],
  ['tokens', 'responsePrefix', '--tokens is the whole prompt: --response-prefix has no place in it.'],
  ['tokens', 'parseControl', '--tokens is the whole prompt: --parse-control has no text to read.'],
]

function refuseContradictions(values: RunValues, words: Array<string | undefined>): void {
  for (const [flag, other, message] of contradictions) {
    if (values[flag] !== undefined && values[other] !== undefined) throw new UsageError(message)
  }
  if (values.parseControl && !values.raw) throw new UsageError('--parse-control goes with --raw: under a template the user\'s text is always text.')
  if (values.tokens && words[1] !== undefined) throw new UsageError('--tokens is the whole prompt: leave PROMPT out.')
}

/** What the model is to continue, as `generate` takes it. */
async function promptOf(io: Io, values: RunValues, given: string | undefined) {
  if (values.tokens) return { raw: { tokens: values.tokens } }
  const text = await promptText(given, io)
  if (values.raw) return { raw: { text, parseControl: values.parseControl ?? false } }
  return { prompt: text, system: values.system, responsePrefix: values.responsePrefix, ...thinking(values) }
}
