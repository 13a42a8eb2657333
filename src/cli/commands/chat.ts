/** `wick chat`: a conversation, kept as messages. */
import type { Command } from 'commander'
import type { LocalModel, Message } from '../../index.js'
import { generationOptions, showAnswer, thinking } from '../answer.js'
import { Interrupted, report } from '../exit.js'
import { addFlags, common, conversation, generation, loading, output, pick, reasoning, sampling } from '../flags.js'
import { type MessageReader, messageReader } from '../input.js'
import { interruptible } from '../interrupt.js'
import { type Io, write } from '../io.js'
import { openModel } from '../model.js'
import { defaultModel } from '../prompt.js'
import { table } from '../render.js'

/** What a line that begins with `/` does; `true` ends the chat. */
const commands: Record<string, { about: string; act(chat: Chat): Promise<void> | true }> = {
  '/help': { about: 'shows this', act: ({ io }) => write(io.stderr, help()) },
  '/clear': { about: 'forgets the conversation; the system message stays', act: (chat) => clear(chat) },
  '/exit': { about: 'ends the chat; so does Ctrl-D', act: () => true },
}

const notes = `
A line is a message; a line that ends in \\ goes on, """ opens and closes a message of several lines, and what is pasted is
one message. Ctrl-C stops the answer first, and the program second. Where stdin is not a terminal each line of it is a
message.

${table(Object.entries(commands).map(([name, { about }]) => [`  ${name}`, about]))}`

interface Chat {
  io: Io
  model: LocalModel
  parsed: Record<string, unknown>
  reader: MessageReader
  messages: Message[]
}

export function chat(program: Command, io: Io): void {
  const command = program.command('chat').description('talks with a model').argument('[model]')
  addFlags(command, conversation)
  addFlags(command, generation, { overflow: 'when the window is full: shift (drop the oldest turns), or error (default: shift)' })
  addFlags(command, sampling)
  addFlags(command, reasoning)
  addFlags(command, loading)
  addFlags(command, output, { json: 'one part as JSON a line on stdout' })
  addFlags(command, common)
  command.addHelpText('after', notes).action((model: string = defaultModel) => talk(io, model, command.opts()))
}

async function talk(io: Io, source: string, parsed: Record<string, unknown>): Promise<void> {
  const values = { ...pick(loading, parsed), ...pick(common, parsed) }
  const model = await interruptible(io, (signal) => openModel(io, source, values, { signal }))
  try {
    const reader = messageReader(io)
    const chat: Chat = { io, model, parsed, reader, messages: opening(parsed) }
    if (reader.interactive) await write(io.stderr, `${model.info.name ?? source} · /help for help\n`)
    for (let text; (text = await reader.read()) !== undefined; ) {
      if (text.trim() === '') continue
      if (text.startsWith('/') && !text.includes('\n')) {
        if ((await obey(chat, text.trim())) === true) return
      } else {
        await turn(chat, text)
      }
    }
  } finally {
    await model.close()
  }
}

/** One message and its answer. A turn that fails leaves the conversation as it was. */
async function turn({ io, model, parsed, reader, messages }: Chat, text: string): Promise<void> {
  const { responsePrefix } = pick(conversation, parsed)
  const asked: Message[] = [...messages, { role: 'user', content: text }]
  const options = { overflow: 'shift' as const, ...generationOptions(parsed), ...thinking(parsed) }
  const show = { ...pick(output, parsed), ...pick(common, parsed), ...pick(reasoning, parsed) }
  try {
    const answer = await interruptible(io, (signal) =>
      showAnswer(io, io.face.generate({ model, messages: asked, responsePrefix, ...options, signal }), show),
    )
    if (answer.finish === undefined && !reader.interactive) throw new Interrupted()
    messages.splice(0, messages.length, ...asked, said((responsePrefix ?? '') + answer.text, answer.reasoning))
  } catch (error) {
    if (!reader.interactive || error instanceof Interrupted) throw error
    report(error, io, show.verbose ?? false)
  }
}

/** The answer as a message; the template says what becomes of the thought. */
function said(text: string, reasoning: string): Message {
  if (reasoning === '') return { role: 'assistant', content: text }
  return { role: 'assistant', content: [{ type: 'reasoning', text: reasoning }, { type: 'text', text }] }
}

function opening(parsed: Record<string, unknown>): Message[] {
  const { system } = pick(conversation, parsed)
  return system === undefined ? [] : [{ role: 'system', content: system }]
}

async function obey(chat: Chat, name: string): Promise<true | void> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command) return command.act(chat)
  await write(chat.io.stderr, `${name} is no command; /help lists them.\n`)
}

function clear({ io, messages, parsed }: Chat): Promise<void> {
  messages.splice(0, messages.length, ...opening(parsed))
  return write(io.stderr, 'Forgotten.\n')
}

function help(): string {
  return table([...Object.entries(commands).map(([name, { about }]) => [name, about]), ['"""', 'opens and closes a message of several lines']])
}
