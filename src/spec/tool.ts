/** Tools as they show in a stream. */
import type { JsonValue } from './json.js'

/** A call the model made, with its arguments complete. */
export interface ToolCall {
  readonly toolCallId: string
  readonly toolName: string
  readonly input: JsonValue
}
