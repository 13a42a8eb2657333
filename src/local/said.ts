/** What a model has said, as the message that the next turn's template reads. */
import type { AssistantMessage, JsonValue, StreamPart } from '../spec/index.js'

/** Gathers the parts of one answer. Thoughts stay beside the text: the template says what becomes of them. */
export class Said {
  #text: string
  #thought = ''
  readonly #calls: Array<{ type: 'tool-call'; toolCallId: string; toolName: string; input: JsonValue }> = []

  /** `prefix`: what the answer was told to begin with. It is no part of the stream, and is part of what was said. */
  constructor(prefix = '') {
    this.#text = prefix
  }

  add(part: StreamPart): void {
    if (part.type === 'text-delta') this.#text += part.text
    if (part.type === 'reasoning-delta') this.#thought += part.text
    if (part.type === 'tool-call') {
      const { type, toolCallId, toolName, input } = part
      this.#calls.push({ type, toolCallId, toolName, input })
    }
  }

  /** The answer so far. */
  message(): AssistantMessage {
    if (this.#thought === '' && this.#calls.length === 0) return { role: 'assistant', content: this.#text }
    const thought = this.#thought === '' ? [] : [{ type: 'reasoning' as const, text: this.#thought }]
    const text = this.#text === '' ? [] : [{ type: 'text' as const, text: this.#text }]
    return { role: 'assistant', content: [...thought, ...text, ...this.#calls] }
  }
}
