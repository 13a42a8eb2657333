/**
 * What the words after a command mean: which is the model, and what it is to continue.
 *
 * `wick run "Tell me…"` must work without naming a model, and `wick run model.gguf < prompt.txt` without naming a prompt, so
 * one word alone is the model if it looks like one and the prompt otherwise. With two words the first is always the model.
 */
import { existsSync } from 'node:fs'
import { UsageError } from './exit.js'
import { type Io, readAll } from './io.js'

/** The model that ships with wick. */
export const defaultModel = 'ember'

/** Words as model and prompt; `prompted` says that the prompt comes from elsewhere (`--tokens`). */
export function positionals(words: readonly string[], prompted = false): { model: string; prompt?: string } {
  const [first, second] = words
  if (first === undefined) return { model: defaultModel }
  if (second !== undefined) return { model: first, prompt: second }
  return prompted || looksLikeModel(first) ? { model: first } : { model: defaultModel, prompt: first }
}

/**
 * `ember`, a `.gguf` name, or a path with a separator that exists. `./x` and `../x` are paths whether or not they exist: an
 * error about a missing file helps more than an answer about its name.
 */
export function looksLikeModel(word: string): boolean {
  if (word === defaultModel || /\.gguf$/i.test(word)) return true
  if (/^\.{1,2}[/\\]\S*$/.test(word)) return true
  return /[/\\]/.test(word) && existsSync(word)
}

/**
 * The text to continue: the word that was given, or all of stdin where none was or it is `-`. A prompt on the command line
 * leaves stdin alone, so a script whose stdin never ends does not hang.
 */
export async function promptText(given: string | undefined, io: Io): Promise<string> {
  if (given !== undefined && given !== '-') return given
  if (io.stdin.isTTY) {
    throw new UsageError('No prompt. Write one behind the command, pipe one in, or talk with `wick chat`.')
  }
  return (await readAll(io.stdin)).replace(/\r?\n$/, '')
}
