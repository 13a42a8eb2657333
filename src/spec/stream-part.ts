/**
 * The one union that every model's stream is made of, local or hosted.
 *
 * A stream begins with `start`, brackets each text, reasoning and tool input between a start and an end of the same `id`, and
 * ends with `finish`, exactly once and last. A failure is thrown after the parts that came before it; there is no error part.
 */
import type { JsonValue } from './json.js'
import type { ToolCall } from './tool.js'
import type { Timings, TokenInfo, Usage, Warning } from './usage.js'

/** Why an answer ended: by itself or at a stop text, at a limit, to have tools called, withheld by a provider, or else. */
export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'other'

/** One part of an answer. */
export type StreamPart =
  | StartPart
  | TextStartPart
  | TextDeltaPart
  | TextEndPart
  | ReasoningStartPart
  | ReasoningDeltaPart
  | ReasoningEndPart
  | ToolInputStartPart
  | ToolInputDeltaPart
  | ToolInputEndPart
  | ToolCallPart
  | ToolApprovalPart
  | ToolResultPart
  | SourcePart
  | FilePart
  | RawPart
  | UsagePart
  | FinishPart

/** What a part of an answer says of where it belongs. */
export interface InAnswer {
  /** Which of several answers (`n`) the part belongs to; absent: the first. */
  readonly alternative?: number
}

/** The work has begun: the prompt is accepted. */
export interface StartPart {
  readonly type: 'start'
  readonly warnings: readonly Warning[]
}

/** A text begins. */
export interface TextStartPart extends InAnswer {
  readonly type: 'text-start'
  readonly id: string
}

/** Text that can be shown: whole characters, stop texts removed. */
export interface TextDeltaPart extends InAnswer {
  readonly type: 'text-delta'
  readonly id: string
  /** May be empty when `tokens` is not. */
  readonly text: string
  /** The tokens it came from, when log-probabilities were asked for. */
  readonly tokens?: readonly TokenInfo[]
}

/** A text has ended. */
export interface TextEndPart extends InAnswer {
  readonly type: 'text-end'
  readonly id: string
}

/** The model begins to think: before its text, where its template has a place for thoughts. */
export interface ReasoningStartPart extends InAnswer {
  readonly type: 'reasoning-start'
  readonly id: string
}

/** A piece of what the model thinks. */
export interface ReasoningDeltaPart extends InAnswer {
  readonly type: 'reasoning-delta'
  readonly id: string
  /** Whole characters, without what the template puts around a thought; may be empty when `tokens` is not. */
  readonly text: string
  /** The tokens it came from, when log-probabilities were asked for. */
  readonly tokens?: readonly TokenInfo[]
}

/** The model has ended a thought. */
export interface ReasoningEndPart extends InAnswer {
  readonly type: 'reasoning-end'
  readonly id: string
}

/** The arguments of a tool call begin. */
export interface ToolInputStartPart extends InAnswer {
  readonly type: 'tool-input-start'
  readonly id: string
  readonly toolName: string
}

/** A piece of the arguments' JSON text. */
export interface ToolInputDeltaPart extends InAnswer {
  readonly type: 'tool-input-delta'
  readonly id: string
  readonly text: string
}

/** The arguments are complete. */
export interface ToolInputEndPart extends InAnswer {
  readonly type: 'tool-input-end'
  readonly id: string
}

/** The model calls a tool. */
export interface ToolCallPart extends ToolCall, InAnswer {
  readonly type: 'tool-call'
}

/** A call waits for someone to allow it. */
export interface ToolApprovalPart extends ToolCall, InAnswer {
  readonly type: 'tool-approval'
}

/** A tool has answered. */
export interface ToolResultPart extends InAnswer {
  readonly type: 'tool-result'
  readonly toolCallId: string
  readonly toolName: string
  readonly output: JsonValue
}

/** Something the answer rests on. */
export interface SourcePart extends InAnswer {
  readonly type: 'source'
  readonly id: string
  readonly url?: string
  readonly title?: string
}

/** Something other than text that the model made. */
export interface FilePart extends InAnswer {
  readonly type: 'file'
  /** IANA media type, `image/png`. */
  readonly mediaType: string
  readonly data: Uint8Array
}

/** What a provider sent, untouched; only on request. */
export interface RawPart {
  readonly type: 'raw'
  readonly value: unknown
}

/** Tokens counted so far. */
export interface UsagePart extends InAnswer {
  readonly type: 'usage'
  readonly usage: Usage
}

/** How one answer ended. */
export interface AnswerEnd {
  readonly reason: FinishReason
  /** The stop text that ended it. */
  readonly stop?: string
  readonly usage: Usage
  readonly timings: Timings
  /** The seed its tokens were drawn with; given as `seed`, it repeats the answer. Absent where a provider does not say. */
  readonly seed?: number
}

/** The end; nothing follows. With several answers (`n`) reason and seed are the first one's, usage and timings are those of all. */
export interface FinishPart extends AnswerEnd {
  readonly type: 'finish'
  /** How each answer ended, where there are several. */
  readonly alternatives?: readonly AnswerEnd[]
}
