/**
 * Several answers to one prompt as one stream.
 *
 * One after the other: the second finds the prompt computed, and the reader sees one text at a time. Parts of the later answers
 * carry their number; there is one start, and one finish for all.
 */
import type { AnswerEnd, FinishPart, StreamPart, Timings, Usage } from '../spec/index.js'

/** The parts of `n` answers; `answer` begins the one of that number. */
export function alternatives(n: number, answer: (index: number) => AsyncIterable<StreamPart>): AsyncIterable<StreamPart> {
  return n === 1 ? answer(0) : inTurn(n, answer)
}

async function* inTurn(n: number, answer: (index: number) => AsyncIterable<StreamPart>): AsyncGenerator<StreamPart> {
  const ends: AnswerEnd[] = []
  for (let index = 0; index < n; index += 1) {
    for await (const part of answer(index)) {
      if (part.type === 'finish') ends.push(endOf(part))
      else if (index === 0 || part.type === 'raw') yield part
      else if (part.type !== 'start') yield { ...part, alternative: index }
    }
  }
  yield together(ends)
}

function endOf({ type: _, alternatives: __, ...end }: FinishPart): AnswerEnd {
  return end
}

function together(ends: readonly AnswerEnd[]): FinishPart {
  const [first] = ends as readonly [AnswerEnd, ...AnswerEnd[]]
  return { type: 'finish', ...first, usage: totalUsage(ends), timings: totalTimings(ends), alternatives: ends }
}

function totalUsage(ends: readonly AnswerEnd[]): Usage {
  const sum = (name: keyof Usage): number => total(ends, ({ usage }) => usage[name])
  return { promptTokens: sum('promptTokens'), cachedTokens: sum('cachedTokens'), completionTokens: sum('completionTokens'), reasoningTokens: sum('reasoningTokens') }
}

/** Times to something are the first answer's, times of something are added, and rates are of what was added. */
function totalTimings(ends: readonly AnswerEnd[]): Timings {
  const [first] = ends as readonly [AnswerEnd, ...AnswerEnd[]]
  const promptMs = total(ends, ({ timings }) => timings.promptMs)
  const decodeMs = total(ends, ({ timings }) => timings.decodeMs)
  const computed = total(ends, ({ usage }) => usage.promptTokens - usage.cachedTokens)
  const decoded = total(ends, ({ usage }) => Math.max(0, usage.completionTokens - 1))
  return {
    queuedMs: first.timings.queuedMs,
    firstTokenMs: first.timings.firstTokenMs,
    promptMs,
    decodeMs,
    promptTokensPerSecond: rate(computed, promptMs),
    tokensPerSecond: rate(decoded, decodeMs),
  }
}

function total(ends: readonly AnswerEnd[], of: (end: AnswerEnd) => number): number {
  return ends.reduce((sum, end) => sum + of(end), 0)
}

function rate(tokens: number, ms: number): number {
  return ms > 0 ? (tokens / ms) * 1000 : 0
}
