/** `wick chat`: a conversation, kept by a session. */
import type { Command } from 'commander'
import type { LocalModel, LocalSession, Message } from '../../index.js'
import { generationOptions, showAnswer, thinking } from '../answer.js'
import { Interrupted, report } from '../exit.js'
import { addFlags, common, conversation, generation, loading, output, pick, reasoning, sampling } from '../flags.js'
import { type MessageReader, messageReader } from '../input.js'
import { interruptible } from '../interrupt.js'
import { type Io, write } from '../io.js'
import { openModel } from '../model.js'
import { defaultModel } from '../prompt.js'
import { printable, table } from '../render.js'

/** What a line that begins with `/` does; `true` ends the chat. */
interface Order {
  about: string
  /** What stands behind the name; absent: nothing may. */
  takes?: string
  act(chat: Chat, argument: string): Promise<void> | true
}

const orders: Record<string, Order> = {
  '/help': { about: 'shows this', act: ({ io }) => write(io.stderr, help()) },
  '/undo': { about: 'takes the last message and its answer back', act: (chat) => undo(chat) },
  '/fork': { about: 'begins a branch of the conversation here', act: (chat) => fork(chat) },
  '/back': { about: 'returns to where the last branch began', act: (chat) => back(chat) },
  '/save': { takes: 'FILE', about: 'writes the conversation, computed as it is, to a file', act: (chat, path) => save(chat, path) },
  '/restore': { takes: 'FILE', about: 'goes on with a conversation that was saved with this model', act: (chat, path) => restore(chat, path) },
  '/clear': { about: 'forgets the conversation; the system message stays', act: (chat) => clear(chat) },
  '/exit': { about: 'ends the chat; so does Ctrl-D', act: () => true },
}

const listed = (): Array<[string, string]> => Object.entries(orders).map(([name, { takes, about }]) => [takes === undefined ? name : `${name} ${takes}`, about])

const notes = `
A line is a message; a line that ends in \\ goes on, """ opens and closes a message of several lines, and what is pasted is
one message. Ctrl-C stops the answer first, and the program second. Where stdin is not a terminal each line of it is a
message.

${table(listed().map(([name, about]) => [`  ${name}`, about]))}`

interface Chat {
  io: Io
  model: LocalModel
  parsed: Record<string, unknown>
  reader: MessageReader
  session: LocalSession
  /** What `/undo` goes back to: the conversation before each of its turns. */
  before: LocalSession[]
  /** What `/back` goes back to. */
  branches: Array<Pick<Chat, 'session' | 'before'>>
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
    const chat: Chat = { io, model, parsed, reader, ...fresh(model, parsed) }
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

/** One message and its answer. A turn that fails leaves the conversation as it was; of one that is stopped, what there was stays. */
async function turn(chat: Chat, text: string): Promise<void> {
  const { io, parsed, reader, session } = chat
  const { responsePrefix } = pick(conversation, parsed)
  const options = { overflow: 'shift' as const, ...generationOptions(parsed), ...thinking(parsed) }
  const show = { ...pick(output, parsed), ...pick(common, parsed), ...pick(reasoning, parsed) }
  const before = session.fork()
  await attempt(chat, async (signal) => {
    const answer = await showAnswer(io, io.face.generate({ model: session, prompt: text, responsePrefix, ...options, signal }), show)
    if (answer.finish === undefined) {
      if (!reader.interactive) throw new Interrupted()
      session.append([{ role: 'user', content: text }, said((responsePrefix ?? '') + answer.text, answer.reasoning)])
    }
    chat.before.push(before)
  })
}

/** Runs what Ctrl-C can stop. On a terminal a failure is reported, and the chat goes on; else it ends the program. */
async function attempt({ io, parsed, reader }: Chat, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  try {
    await interruptible(io, work)
  } catch (error) {
    if (!reader.interactive) throw error
    report(error, io, pick(common, parsed).verbose ?? false)
  }
}

/** The answer as a message; the template says what becomes of the thought. */
function said(text: string, reasoning: string): Message {
  if (reasoning === '') return { role: 'assistant', content: text }
  return { role: 'assistant', content: [{ type: 'reasoning', text: reasoning }, { type: 'text', text }] }
}

function fresh(model: LocalModel, parsed: Record<string, unknown>): Pick<Chat, 'session' | 'before' | 'branches'> {
  const { system } = pick(conversation, parsed)
  const session = model.session(system === undefined ? {} : { messages: [{ role: 'system', content: system }] })
  return { session, before: [], branches: [] }
}

async function obey(chat: Chat, line: string): Promise<true | void> {
  const [, name = '', argument = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? []
  const order = Object.hasOwn(orders, name) ? orders[name] : undefined
  if (order === undefined) return write(chat.io.stderr, `${name} is no command; /help lists them.\n`)
  if ((order.takes === undefined) === (argument === '')) return order.act(chat, argument)
  await write(chat.io.stderr, order.takes === undefined ? `${name} takes nothing behind it.\n` : `${name} needs ${order.takes} behind it.\n`)
}

function clear(chat: Chat): Promise<void> {
  Object.assign(chat, fresh(chat.model, chat.parsed))
  return write(chat.io.stderr, 'Forgotten.\n')
}

function undo(chat: Chat): Promise<void> {
  const before = chat.before.pop()
  chat.session = before ?? chat.session
  return write(chat.io.stderr, before === undefined ? 'There is nothing to take back.\n' : 'Taken back.\n')
}

function fork(chat: Chat): Promise<void> {
  chat.branches.push({ session: chat.session.fork(), before: [...chat.before] })
  return write(chat.io.stderr, 'A branch begins here; /back returns here.\n')
}

function back(chat: Chat): Promise<void> {
  const branch = chat.branches.pop()
  Object.assign(chat, branch)
  return write(chat.io.stderr, branch === undefined ? 'There is no branch to return from.\n' : 'Back where the branch began.\n')
}

function save(chat: Chat, path: string): Promise<void> {
  return attempt(chat, async (signal) => {
    await chat.session.save(path, { signal })
    await write(chat.io.stderr, `Saved to ${printable(path)}.\n`)
  })
}

function restore(chat: Chat, path: string): Promise<void> {
  return attempt(chat, async (signal) => {
    const session = await chat.model.restore(path, { signal })
    Object.assign(chat, { session, before: [], branches: [] })
    await write(chat.io.stderr, `Restored: ${session.messages.length} messages.\n`)
  })
}

function help(): string {
  return table([...listed(), ['"""', 'opens and closes a message of several lines']])
}
