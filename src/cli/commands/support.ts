/** `wick support`: what this build knows of model files, and what each was tested against. */
import type { Command } from 'commander'
import type { Support } from '../../index.js'
import { addFlags, common, output, pick } from '../flags.js'
import { type Io, write, writeJson } from '../io.js'
import { architectures, templates, untested, vectors } from '../oracles.js'
import { table } from '../render.js'

const about = `
What is not in the table is refused by name with the code "unsupported"; nothing is guessed. A model's chat template is its own
Jinja text, so any runs; those named here were rendered beside transformers.`

/** One line of the table. */
interface Row {
  readonly kind: 'architecture' | 'pre-tokenizer' | 'tokenizer' | 'template' | 'type'
  readonly name: string
  readonly state: 'known' | 'unsupported'
  /** What it was tested against; empty where that is nothing. */
  readonly tested: string
}

const cutTested = "llama.cpp's ids of 300 strings"

/** Kinds of tokenizers; GGUF calls them `tokenizer.ggml.model`. */
const tokenizers: readonly Row[] = [
  { kind: 'tokenizer', name: 'llama (SentencePiece)', state: 'known', tested: "llama.cpp's vectors and ids" },
  { kind: 'tokenizer', name: 'gpt2 (byte-level BPE)', state: 'known', tested: "llama.cpp's vectors and ids, the tokenizers library's ids" },
  { kind: 'tokenizer', name: 'tokenizer.json', state: 'known', tested: 'is read by the tokenizers library itself' },
  ...['bert', 't5', 'gemma4', 'rwkv', 'plamo2'].map((name): Row => ({ kind: 'tokenizer', name, state: 'unsupported', tested: '' })),
]

export function support(program: Command, io: Io): void {
  const command = program.command('support').description('lists the architectures, pre-tokenizers, templates and types there are, and what each was tested against')
  addFlags(command, output, { json: 'an array of { kind, name, state, tested } on stdout' })
  addFlags(command, common)
  command.addHelpText('after', about).action(async () => {
    const rows = rowsOf(await io.face.support())
    await (pick(output, command.opts()).json ? writeJson(io.stdout, rows) : write(io.stdout, forPeople(rows)))
  })
}

function rowsOf({ architectures: known, preTokenizers, types, otherTypes }: Support): Row[] {
  return [
    ...known.map(({ gguf, class: name }): Row => ({ kind: 'architecture', name: `${gguf} (${name})`, state: 'known', tested: architectures[name] ?? '' })),
    ...tokenizers,
    ...preTokenizers.flat().map((name): Row => ({ kind: 'pre-tokenizer', name, state: 'known', tested: cutsOf(name) })),
    ...templates.map((name): Row => ({ kind: 'template', name, state: 'known', tested: "transformers' renderings of 30 conversations" })),
    ...types.map((name): Row => ({ kind: 'type', name, state: 'known', tested: name === 'F32' ? 'is what the others are decoded to' : "PyPI gguf's values, bit for bit" })),
    ...otherTypes.map((name): Row => ({ kind: 'type', name, state: 'unsupported', tested: '' })),
  ]
}

function cutsOf(name: string): string {
  if (untested.includes(name)) return ''
  return vectors.includes(name) ? `llama.cpp's vectors, ${cutTested}` : cutTested
}

function forPeople(rows: readonly Row[]): string {
  const tested = ({ tested, state }: Row): string => tested || (state === 'known' ? 'nothing' : '')
  return table([['kind', 'name', 'state', 'tested against'], ...rows.map((row) => [row.kind, row.name, row.state, tested(row)])])
}
