/**
 * A conversation, as every model reads it.
 *
 * One type a role, so that what a role cannot carry does not compile. Content is a string or a list of parts; a string is one
 * text part.
 */
import type { JsonValue } from './json.js'

/** Who speaks. */
export type Role = Message['role']

/** One message of a conversation. */
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage

/** Instructions of the application. */
export interface SystemMessage {
  readonly role: 'system'
  readonly content: string | readonly TextContent[]
}

/** What the user says. */
export interface UserMessage {
  readonly role: 'user'
  readonly content: string | readonly (TextContent | FileContent)[]
}

/** What the model said in an earlier turn. */
export interface AssistantMessage {
  readonly role: 'assistant'
  readonly content: string | readonly (TextContent | ReasoningContent | ToolCallContent)[]
}

/** What the tools that the model called have answered. */
export interface ToolMessage {
  readonly role: 'tool'
  readonly content: readonly ToolResultContent[]
}

/** Plain text. What it spells is text: it never becomes a control token. */
export interface TextContent {
  readonly type: 'text'
  readonly text: string
}

/** An image, a sound or a document; models that read text only refuse it as `unsupported`. */
export interface FileContent {
  readonly type: 'file'
  /** IANA media type, `image/png`. */
  readonly mediaType: string
  /** The bytes themselves, or where they lie. */
  readonly data: Uint8Array | URL
}

/** What the model thought before it answered; templates that know no reasoning leave it out. */
export interface ReasoningContent {
  readonly type: 'reasoning'
  readonly text: string
}

/** A call of a tool, made by the model. */
export interface ToolCallContent {
  readonly type: 'tool-call'
  readonly toolCallId: string
  readonly toolName: string
  /** The arguments. */
  readonly input: JsonValue
}

/** The answer to the call with the same id. */
export interface ToolResultContent {
  readonly type: 'tool-result'
  readonly toolCallId: string
  readonly toolName: string
  readonly output: JsonValue
}
