import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { load, type LocalModel, type Message } from '../../src/index.js'

const tools = join(import.meta.dirname, '../../tools/ember')

/**
 * What the shipped file must at least get right of its held-out set, greedily. The scores themselves are in docs/ember.md; these
 * are a little lower, because another instruction set rounds otherwise.
 */
const atLeast = {
  'story of a thing it never read of': 24,
  'story of a word that nobody has': 9,
  'story of somebody with a new name': 6,
  greeting: 4,
  'greeting somebody by name': 8,
  'question about wick': 28,
  addition: 15,
  subtraction: 15,
  // It has learned its table by heart, and those held out are not in it.
  multiplication: 0,
  'saying that it cannot': 7,
}

describe('ember on its held-out set', () => {
  it('has every skill', { timeout: 300_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(tools, 'score.mjs'), '--json'])
    const scores = JSON.parse(stdout) as Array<{ skill: keyof typeof atLeast; right: number; of: number }>
    expect(scores.map(({ skill }) => skill)).toEqual(Object.keys(atLeast))
    expect(scores.filter(({ skill, right }) => right < atLeast[skill])).toEqual([])
  })
})

describe('what counts as right', () => {
  type Judge = (wanted: string) => (answer: { text: string; ended: boolean }) => boolean
  let judges: { isStory: Judge; isSum: Judge }
  const plot = 'stood above the town, and a boy called Jonas looked after it. One evening it was cold. Jonas heard a voice, opened the door, and there stood a sailor. They sat together and ate apples until the sun came out, and they were friends.'

  beforeAll(async () => {
    judges = (await import(pathToFileURL(join(tools, 'skills.mjs')).href)) as typeof judges
  })

  it.each([
    { title: 'that names its subject', text: `The igloo ${plot}`, ended: true, right: true },
    { title: 'about something else', text: `The mill ${plot}`, ended: true, right: false },
    { title: 'that never ended', text: `The igloo ${plot}`, ended: false, right: false },
    { title: 'of a few words', text: 'The igloo was cold.', ended: true, right: false },
    { title: 'that goes round in words', text: `The igloo ${plot} It was old old old old.`, ended: true, right: false },
    { title: 'that goes round in letters', text: `The igloo ${plot} zzzzz`, ended: true, right: false },
  ])('a story $title: $right', ({ text, ended, right }) => {
    expect(judges.isStory('igloo')({ text, ended })).toBe(right)
  })

  it.each([
    { sum: '24 + 39', text: '24 + 39 = 50 + 13 = 63.', right: true },
    { sum: '24 + 39', text: '24 + 39 = 50 + 13 = 64.', right: false },
    { sum: '24 + 39', text: '24 + 39 = 63 + 1 = 163.', right: false },
    { sum: '24 + 39', text: '24 + 93 = 50 + 13 = 63.', right: false },
    { sum: '97 - 62', text: '97 - 62 = 37 - 2 = 35.', right: true },
    { sum: '7 * 8', text: '7 * 8 = 56.', right: true },
    { sum: '7 * 8', text: '7 * 8 = 54.', right: false },
  ])('$text is $right', ({ sum, text, right }) => {
    expect(judges.isSum(sum)({ text, ended: true })).toBe(right)
  })
})

describe("ember's vocabulary", () => {
  let model: LocalModel

  beforeAll(async () => {
    model = await load('ember', { vocabOnly: true })
  })
  afterAll(() => model.close())

  it.each(['<tools>', '</tools>', '<tool_call>', '</tool_call>', '<tool_response>', '</tool_response>'])('has %s as one token that no user can write', (marker) => {
    expect(model.tokenize(marker, { parseControl: true })).toHaveLength(1)
    expect(model.tokenize(marker).length).toBeGreaterThan(1)
  })

  it('has a token for each digit', () => {
    expect(model.tokenize('2048')).toHaveLength(4)
  })

  it('has a place for calls of tools and their results in its template', () => {
    const messages: Message[] = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Rain?' },
      { role: 'assistant', content: [{ type: 'tool-call', toolCallId: '1', toolName: 'weather', input: { city: 'Ulm' } }] },
      { role: 'tool', content: [{ type: 'tool-result', toolCallId: '1', toolName: 'weather', output: 'dry' }] },
    ]
    expect(model.render({ messages })).toBe(
      [
        '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nRain?<|im_end|>\n<|im_start|>assistant\n<tool_call>',
        '{"name": "weather", "arguments": {"city": "Ulm"}}',
        '</tool_call><|im_end|>\n<|im_start|>tool\n<tool_response>\ndry\n</tool_response><|im_end|>\n<|im_start|>assistant\n',
      ].join('\n'),
    )
  })
})
