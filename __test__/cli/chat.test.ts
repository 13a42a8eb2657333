import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { joiner } from '../../src/cli/joiner.js'
import { type GenerateOptions, WickError } from '../../src/index.js'
import { type Scene, spoken, type Stage, thoughtful, wick } from './stage.js'

const texts = (options: GenerateOptions | undefined) => options?.messages?.map(({ role, content }) => `${role}: ${String(content)}`)

describe('messages of several lines', () => {
  it.each([
    { title: 'a line', lines: ['one'], messages: ['one'] },
    { title: 'two lines', lines: ['one', 'two'], messages: ['one', 'two'] },
    { title: 'a line that goes on', lines: ['one \\', 'two \\', 'three', 'four'], messages: ['one \ntwo \nthree', 'four'] },
    { title: 'a block', lines: ['"""', 'one', '', 'two\\', '"""', 'three'], messages: ['one\n\ntwo\\', 'three'] },
    { title: 'a block with text on its fences', lines: ['"""one', 'two"""'], messages: ['one\ntwo'] },
    { title: 'a block on one line', lines: ['"""one"""'], messages: ['one'] },
    { title: 'an empty line', lines: ['', 'one'], messages: ['', 'one'] },
  ])('$title', ({ lines, messages }) => {
    const message = joiner()
    expect(lines.map((line) => message.add(line)).filter((text) => text !== undefined)).toEqual(messages)
    expect(message.pending).toBe(false)
  })
})

describe('wick chat, piped', () => {
  it('keeps the conversation as messages', async () => {
    const stage = await wick(['chat', '--system', 'Be brief.'], { stdin: 'one\n\ntwo', answer: ['A', '!'] })
    expect(stage.out).toBe('A!\nA!\n')
    expect(texts(stage.asked[1])).toEqual(['system: Be brief.', 'user: one', 'assistant: A!', 'user: two'])
    expect(stage.asked[0]).toMatchObject({ overflow: 'shift' })
    expect(stage).toMatchObject({ code: 0, closed: 1 })
  })

  it('puts the response prefix in front of what it remembers', async () => {
    const stage = await wick(['chat', '--response-prefix', 'Well,'], { stdin: 'one\ntwo', answer: [' A'] })
    expect(texts(stage.asked[1])).toEqual(['user: one', 'assistant: Well, A', 'user: two'])
  })

  it('gives thoughts back with the answers they led to, hidden or not', async () => {
    const stage = await wick(['chat', '--hide-reasoning'], { stdin: 'one\ntwo', answer: () => thoughtful('Hm.', 'Yes.') })
    expect(stage.out).toBe('Yes.\nYes.\n')
    expect(stage.asked[1]?.messages?.[1]).toEqual({ role: 'assistant', content: [{ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Yes.' }] })
  })

  it('knows its commands', async () => {
    const stage = await wick(['chat', '--system', 's', 'm.gguf'], { stdin: 'one\n/clear\ntwo\n/help\n/toString\n/exit\nthree\n' })
    expect(stage.loaded[0]?.source).toBe('m.gguf')
    expect(texts(stage.asked[1])).toEqual(['system: s', 'user: two'])
    expect(stage.err).toContain('/clear         forgets the conversation')
    expect(stage.err).toContain('/toString is no command')
    expect(stage.asked).toHaveLength(2)
  })

  it('takes turns back, down to the system message', async () => {
    const stage = await wick(['chat', '--system', 's'], { stdin: 'one\ntwo\n/undo\nthree\n/undo\n/undo\n/undo\nfour', answer: ['A'] })
    expect(texts(stage.asked[2])).toEqual(['system: s', 'user: one', 'assistant: A', 'user: three'])
    expect(texts(stage.asked[3])).toEqual(['system: s', 'user: four'])
    expect(stage.err).toContain('Taken back.\nTaken back.\nThere is nothing to take back.\n')
  })

  it('branches, and returns to where a branch began, what can be taken back there included', async () => {
    const stage = await wick(['chat'], { stdin: '/back\none\n/fork\ntwo\n/fork\nthree\n/back\nfour\n/back\n/undo\nfive', answer: ['A'] })
    expect(stage.asked.map((asked) => texts(asked)?.filter((text) => text.startsWith('user')).map((text) => text.slice(6)))).toEqual([
      ['one'], ['one', 'two'], ['one', 'two', 'three'], ['one', 'two', 'four'], ['five'],
    ])
    expect(stage.err).toContain('There is no branch to return from.')
  })

  it('saves and restores, by names with spaces too', async () => {
    const stage = await wick(['chat'], { stdin: 'one\n/save my talk.wick\n/clear\n/restore my talk.wick\ntwo', answer: ['A'] })
    expect([...stage.saved.keys()]).toEqual(['my talk.wick'])
    expect(texts(stage.asked[1])).toEqual(['user: one', 'assistant: A', 'user: two'])
    expect(stage.err).toContain('Saved to my talk.wick.\nForgotten.\nRestored: 2 messages.\n')
  })

  it('says what a command takes, and ends with the first that fails', async () => {
    const stage = await wick(['chat'], { stdin: '/save\n/undo 2\n/restore nowhere\nnever' })
    expect(stage.err).toContain('/save needs FILE behind it.\n/undo takes nothing behind it.\n')
    expect(stage.err).toContain('There is no nowhere. [io]')
    expect(stage).toMatchObject({ code: 1, asked: [] })
  })

  it('prints parts with --json', async () => {
    const { out } = await wick(['chat', '--json'], { stdin: 'one', answer: ['A'] })
    expect(out.trimEnd().split('\n').map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(['start', 'text-start', 'text-delta', 'text-end', 'finish'])
  })

  it('takes an open block at the end as it is', async () => {
    expect(texts((await wick(['chat'], { stdin: '"""\none\ntwo' })).asked[0])).toEqual(['user: one\ntwo'])
  })

  it('ends with the first failure', async () => {
    const answer = async function* () {
      throw new WickError('context-overflow', 'Too long.')
    }
    expect(await wick(['chat'], { stdin: 'one\ntwo', answer })).toMatchObject({ code: 5, closed: 1 })
  })

  it('ends with 130 at Ctrl-C', async () => {
    const stage = await wick(['chat'], { stdin: 'one\ntwo', answer: ['a', 'b'], onOutput: (text, stage) => void (text === 'a' && stage.interrupt()) })
    expect(stage).toMatchObject({ code: 130, out: 'a\n', closed: 1 })
    expect(stage.asked).toHaveLength(1)
  })
})

describe('wick chat, on a terminal', () => {
  /** Types each text when the prompt before it has been shown. */
  async function typed(keys: string[], scene: Scene = {}): Promise<Stage> {
    const terminal = new PassThrough()
    const waiting = [...keys]
    return wick(['chat'], {
      ...scene,
      terminal,
      env: { NO_COLOR: '1' },
      onError: (text) => {
        const next = text.includes('> ') ? waiting.shift() : undefined
        if (next !== undefined) setImmediate(() => terminal.write(next))
      },
    })
  }

  it('talks until Ctrl-D', async () => {
    const stage = await typed(['one\r', 'two\r', '\u0004'])
    expect(texts(stage.asked[1])).toEqual(['user: one', 'assistant: Hello there', 'user: two'])
    expect(stage.err).toContain('paper · /help for help\n')
    expect(stage).toMatchObject({ code: 0, closed: 1, out: 'Hello there\nHello there\n' })
  })

  it('remembers lines', async () => {
    const stage = await typed(['one\r', '\u001b[A\r', '\u0004'])
    expect(texts(stage.asked[1])?.at(-1)).toBe('user: one')
  })

  it('loses nothing that is typed ahead', async () => {
    const stage = await typed(['one\rtwo\r', '\u0004'])
    expect(texts(stage.asked[1])?.at(-1)).toBe('user: two')
  })

  it('takes what is pasted as one message', async () => {
    const stage = await typed(['\u001b[200~one\rtwo\u001b[201~ and more\r', '\u0004'])
    expect(texts(stage.asked[0])).toEqual(['user: one\ntwo and more'])
  })

  it('stops the answer at Ctrl-C, keeps what there was, and goes on', async () => {
    const answer = (options: GenerateOptions) => spoken(options.messages?.length === 1 ? ['a', 'b', 'c'] : ['d'], options)
    const stage = await typed(['one\r', 'two\r', '\u0004'], { answer, onOutput: (text, stage) => void (text === 'a' && stage.interrupt()) })
    expect(texts(stage.asked[1])).toEqual(['user: one', 'assistant: a', 'user: two'])
    expect(stage).toMatchObject({ code: 0, out: 'a\nd\n', exited: [] })
  })

  it('ends with 130 at Ctrl-C on an empty line', async () => {
    expect(await typed(['\u0003'])).toMatchObject({ code: 130, closed: 1, asked: [] })
  })

  it('drops a line that was begun at Ctrl-C', async () => {
    const stage = await typed(['wrong\u0003right\r', '\u0004'])
    expect(texts(stage.asked[0])).toEqual(['user: right'])
  })

  it('goes on after a file that is not there', async () => {
    const stage = await typed(['/restore nowhere\r', 'one\r', '\u0004'])
    expect(stage.err).toContain('There is no nowhere. [io]')
    expect(texts(stage.asked[0])).toEqual(['user: one'])
    expect(stage.code).toBe(0)
  })

  it('takes a stopped turn back whole', async () => {
    const stage = await typed(['one\r', '/undo\r', 'two\r', '\u0004'], { answer: ['a', 'b', 'c'], onOutput: (text, stage) => void (text === 'a' && stage.asked.length === 1 && stage.interrupt()) })
    expect(texts(stage.asked[1])).toEqual(['user: two'])
  })

  it('goes on after a failure, without what was said', async () => {
    let calls = 0
    const answer = (options: GenerateOptions) => {
      calls += 1
      if (calls === 1) throw new WickError('busy', 'Full.')
      return spoken(['A'], options)
    }
    const stage = await typed(['one\r', 'two\r', '\u0004'], { answer })
    expect(stage.err).toContain('wick: Full. [busy]')
    expect(texts(stage.asked[1])).toEqual(['user: two'])
    expect(stage.code).toBe(0)
  })
})
