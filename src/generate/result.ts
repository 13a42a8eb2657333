/** What the parts of a generation come to. */
import { WickError } from '../errors/index.js'
import type { AnswerEnd, FinishPart, FinishReason, StreamPart, Timings, TokenInfo, ToolCall, Usage, Warning } from '../spec/index.js'
import type { Fold } from '../stream/index.js'

/** One answer. */
export interface Answer {
  readonly text: string
  /** What the model thought before it answered; absent where it did not. */
  readonly reasoning?: string
  /** The calls the model made; empty where it made none. */
  readonly toolCalls: readonly ToolCall[]
  readonly finishReason: FinishReason
  /** The stop text that ended it. */
  readonly stop?: string
  /** Its tokens, those of the thought included, when log-probabilities were asked for. */
  readonly tokens?: readonly TokenInfo[]
  readonly usage: Usage
  readonly timings: Timings
  /** The seed its tokens were drawn with; given as `seed`, it repeats the answer. Absent where a provider does not say. */
  readonly seed?: number
}

/** The result of `generate`: the first answer. With several (`n`), usage and timings are those of all. */
export interface GenerateResult extends Answer {
  /** What the caller should know and that did not stop the work. */
  readonly warnings: readonly Warning[]
  /** All answers, the first included, each with usage and timings of its own. */
  readonly alternatives: readonly Answer[]
}

/** Gathers one generation. */
export class GenerateFold implements Fold<StreamPart, GenerateResult> {
  readonly #withTokens: boolean
  readonly #answers: Gathered[] = []
  #warnings: readonly Warning[] = []
  #finish: FinishPart | undefined

  /** `withTokens`: log-probabilities were asked for. */
  constructor(withTokens: boolean) {
    this.#withTokens = withTokens
  }

  add(part: StreamPart): void {
    switch (part.type) {
      case 'start':
        this.#warnings = part.warnings
        return
      case 'text-delta':
        this.#answer(part.alternative).addText(part.text, part.tokens)
        return
      case 'reasoning-delta':
        this.#answer(part.alternative).addThought(part.text, part.tokens)
        return
      case 'tool-call': {
        const { toolCallId, toolName, input } = part
        this.#answer(part.alternative).toolCalls.push({ toolCallId, toolName, input })
        return
      }
      case 'finish':
        this.#finish = part
    }
  }

  result(): GenerateResult {
    if (this.#finish === undefined) throw new WickError('internal', 'The model ended its stream without a finish.')
    const { usage, timings, alternatives } = this.#finish
    const answers = (alternatives ?? [this.#finish]).map((end, index) => this.#answer(index).result(end))
    const [first] = answers as [Answer, ...Answer[]]
    return { ...first, usage, timings, warnings: this.#warnings, alternatives: answers }
  }

  #answer(index = 0): Gathered {
    this.#answers[index] ??= new Gathered(this.#withTokens)
    return this.#answers[index]
  }
}

class Gathered {
  readonly toolCalls: ToolCall[] = []
  #text = ''
  #reasoning = ''
  readonly #tokens: TokenInfo[] | undefined

  constructor(withTokens: boolean) {
    this.#tokens = withTokens ? [] : undefined
  }

  addText(text: string, tokens: readonly TokenInfo[] = []): void {
    this.#text += text
    this.#tokens?.push(...tokens)
  }

  addThought(text: string, tokens: readonly TokenInfo[] = []): void {
    this.#reasoning += text
    this.#tokens?.push(...tokens)
  }

  result({ reason, stop, usage, timings, seed }: AnswerEnd): Answer {
    return {
      text: this.#text,
      ...(this.#reasoning !== '' && { reasoning: this.#reasoning }),
      toolCalls: this.toolCalls,
      finishReason: reason,
      ...(stop !== undefined && { stop }),
      ...(this.#tokens !== undefined && { tokens: this.#tokens }),
      usage,
      timings,
      ...(seed !== undefined && { seed }),
    }
  }
}
