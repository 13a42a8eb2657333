/** Streams, read to see what they say. */
import { expect } from 'vitest'
import type { FinishPart, StreamPart, TextDeltaPart } from '../../src/index.js'

/** The parts that came, and what was thrown after them. */
export interface Seen {
  readonly parts: StreamPart[]
  readonly error: unknown
}

/** Reads to the end; `on` is called with each part. */
export async function read(run: AsyncIterable<StreamPart>, on: (part: StreamPart, count: number) => unknown = () => {}): Promise<Seen> {
  const parts: StreamPart[] = []
  try {
    for await (const part of run) await on(part, parts.push(part))
    return { parts, error: undefined }
  } catch (error) {
    return { parts, error }
  }
}

/** The deltas among parts. */
export const deltas = (parts: readonly StreamPart[]): TextDeltaPart[] => parts.filter((part) => part.type === 'text-delta')

/** The text that parts show. */
export const text = (parts: readonly StreamPart[]): string => deltas(parts).map((part) => part.text).join('')

/** The finish, which is there exactly once and last; start first, and every text bracketed. */
export function finishOf({ parts, error }: Seen): FinishPart {
  if (error !== undefined) throw error
  const types = parts.map(({ type }) => type)
  expect(types[0]).toBe('start')
  expect(types.filter((type) => type === 'start' || type === 'finish')).toEqual(['start', 'finish'])
  expect(types.filter((type) => type !== 'text-delta')).toEqual(['start', 'text-start', 'text-end', 'usage', 'finish'])
  const last = parts.at(-1)
  if (last?.type !== 'finish') throw new Error(`the last part is ${last?.type}`)
  return last
}

/** Resolves with the error that `work` rejects with; a success is a failure. */
export async function failure(work: Promise<unknown>): Promise<unknown> {
  const [settled] = await Promise.allSettled([work])
  if (settled.status === 'rejected') return settled.reason
  throw new Error('it was expected to fail, and did not')
}

/** Time goes by. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))
