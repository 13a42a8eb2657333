/** The queue between the engine and its reader, at the addon itself: the runs above it show none of this. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type NativeModel, type NativeSession, NativeLoad } from '../../index.js'
import { unwrap } from '../../src/local/outcome.js'

const path = join(import.meta.dirname, '../../models/ember.gguf')
/** Events the engine gets ahead of its reader. */
const queue = 64

describe.each(['cpu', 'candle', 'reference'])('ember on %s', (backend) => {
  let model: NativeModel

  beforeAll(async () => {
    model = unwrap(await new NativeLoad({ path, backend }).run(null, null))
  })
  afterAll(async () => void unwrap(await model.close()))

  const begin = (maxTokens: number): NativeSession =>
    unwrap(model.generate({ prompt: { type: 'Tokens', tokens: [30, 31] }, sampling: { seed: 1 }, maxTokens, ignoreEnd: true }))

  /** All events, in the bursts they came in. */
  async function bursts(session: NativeSession): Promise<{ type: string }[][]> {
    const all = []
    for (let events = unwrap(await session.next()); events !== null; events = unwrap(await session.next())) all.push(events)
    return all
  }

  it('holds so many events for a reader that is behind, and goes on when it reads', async () => {
    const behind = begin(300)
    // They take turns: when one has had three hundred, the other has had what it may.
    expect((await bursts(begin(300))).flat().length).toBeGreaterThan(290)
    const [first, ...rest] = await bursts(behind)
    expect(first).toHaveLength(queue)
    expect(Math.max(...rest.map((events) => events.length))).toBeLessThanOrEqual(queue + 2)
    const types = [first ?? [], ...rest].flat().map(({ type }) => type)
    expect([types[0], types.at(-1)]).toEqual(['Start', 'Finish'])
    expect(types.filter((type) => type === 'TextDelta').length).toBeGreaterThan(290)
  })

  it('answers one question at a time, and is over after the last answer', async () => {
    const session = begin(20)
    const [first, second] = await Promise.all([session.next(), session.next()])
    expect(first.ok ? first.value : first).toEqual(expect.arrayContaining([expect.objectContaining({ type: 'Start' })]))
    expect(second.ok || second.code === 'invalid-request').toBe(true)
    await bursts(session)
    expect(await session.next()).toEqual({ ok: true, value: null })
  })

  it('answers a question that waits when it is cancelled', async () => {
    const session = unwrap(model.generate({ prompt: { type: 'Text', text: 'word '.repeat(400), parseControl: false }, sampling: {} }))
    unwrap(await session.next())
    const waiting = session.next()
    session.cancel()
    session.cancel()
    expect([await waiting, await session.next()]).toMatchObject([{ ok: false, code: 'cancelled' }, { ok: false, code: 'cancelled' }])
  })
})
