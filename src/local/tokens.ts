/**
 * An answer a token at a time, for whoever steers it himself: what `next` is given stands in the place of the token that was
 * yielded last. The engine samples the next only when it is asked for.
 */
import type { AnswerEnd, LanguageRequest, SampledToken, SamplingOptions, TokenAnswer } from '../spec/index.js'
import { onAbort } from '../stream/index.js'
import { answerToken, end, events, type Opened, resume, sampled } from './answer.js'

/** What `tokens` is asked for: a request as `generate` makes it, with every sampling option optional. */
export interface TokensRequest extends Omit<LanguageRequest, 'sampling' | 'onToken' | 'predict' | 'alternative'> {
  readonly sampling?: SamplingOptions | undefined
}

/** Tokens as they are sampled, and how the answer ended. `next(ids)` replaces the last token, `next('stop')` ends before it. */
export type TokenGenerator = AsyncGenerator<SampledToken, AnswerEnd, TokenAnswer>

/** The tokens of the answer that `open` begins. Nothing is begun before the first is asked for; leaving early cancels it. */
export async function* sampledTokens(open: () => Opened, signal: AbortSignal): TokenGenerator {
  signal.throwIfAborted()
  const opened = open()
  const { session } = opened
  const letGo = onAbort(signal, () => session.cancel())
  try {
    for (;;) {
      for (const event of await events(session)) {
        if (event.type === 'Finish') return end(event)
        if (event.type === 'Overflow') await resume(opened, event, signal)
        if (event.type === 'Token') {
          const answer: TokenAnswer = yield sampled(event.token)
          signal.throwIfAborted()
          answerToken(session, answer)
        }
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    letGo()
    session.cancel()
  }
}
