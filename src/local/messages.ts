/**
 * Messages as chat templates read them: `{ role, content, … }`, content as text, tool calls in the shape that Hugging Face's
 * templates share with OpenAI's API.
 *
 * Whatever cannot be rendered is refused by its place, never by its content.
 */
import { WickError } from '../errors/index.js'
import type { JsonObject, JsonValue, Message, Role } from '../spec/index.js'
import { jsonText } from './json.js'

/** The messages as the JSON text that the engine takes. */
export function templateMessages(messages: readonly Message[]): string {
  if (!Array.isArray(messages) || messages.length === 0) throw invalid('messages must be an array with at least one message.')
  return jsonText([...messages].flatMap((message, index) => templateMessage(message, `messages[${index}]`)), 'messages')
}

const byRole: Record<Role, (content: unknown, at: string) => JsonObject[]> = {
  system: (content, at) => [{ role: 'system', content: textOnly(content, at) }],
  user: (content, at) => [{ role: 'user', content: textOnly(content, at) }],
  assistant: (content, at) => [{ role: 'assistant', ...answer(content, at) }],
  tool: (content, at) => list(content, at).map((part, index) => toolResult(part, `${at}.content[${index}]`)),
}

function templateMessage(message: unknown, at: string): JsonObject[] {
  const { role, content } = fields(message, at)
  if (typeof role === 'string' && Object.hasOwn(byRole, role)) return byRole[role as Role](content, at)
  throw invalid(`${at}.role must be one of ${Object.keys(byRole).join(', ')}.`)
}

/** The text of content that may be nothing else. */
function textOnly(content: unknown, at: string): string {
  return parts(content, at, { text: (part, place) => string(part['text'], `${place}.text`) }).join('')
}

/** What an assistant said: text, the thoughts before it, the calls it made. */
function answer(content: unknown, at: string): JsonObject {
  const reasoning: string[] = []
  const calls: JsonObject[] = []
  const texts = parts(content, at, {
    text: (part, place) => string(part['text'], `${place}.text`),
    reasoning: (part, place) => void reasoning.push(string(part['text'], `${place}.text`)),
    'tool-call': (part, place) => void calls.push(toolCall(part, place)),
  })
  return {
    content: texts.join(''),
    ...(reasoning.length > 0 && { reasoning_content: reasoning.join('') }),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

function toolCall(part: Fields, at: string): JsonObject {
  const name = string(part['toolName'], `${at}.toolName`)
  return { id: string(part['toolCallId'], `${at}.toolCallId`), type: 'function', function: { name, arguments: json(part['input'], `${at}.input`) } }
}

function toolResult(value: unknown, at: string): JsonObject {
  const part = fields(value, at)
  if (part['type'] !== 'tool-result') throw invalid(`${at}.type must be 'tool-result' in a message of role tool.`)
  const output = json(part['output'], `${at}.output`)
  return {
    role: 'tool',
    tool_call_id: string(part['toolCallId'], `${at}.toolCallId`),
    name: string(part['toolName'], `${at}.toolName`),
    content: typeof output === 'string' ? output : JSON.stringify(output),
  }
}

type Fields = Readonly<Record<string, unknown>>

/** What each kind of part in `content` gives, in order; a string is one text part. */
function parts<Given>(content: unknown, at: string, kinds: Record<string, (part: Fields, at: string) => Given>): Given[] {
  if (typeof content === 'string') return parts([{ type: 'text', text: content }], at, kinds)
  return list(content, at).map((value, index) => {
    const place = `${at}.content[${index}]`
    const part = fields(value, place)
    const { type } = part
    if (type === 'file') {
      throw new WickError('unsupported', `${place} is a file; this model reads text only. Leave it out, or use a model that sees.`)
    }
    if (typeof type !== 'string' || !Object.hasOwn(kinds, type)) {
      throw invalid(`${place}.type must be one of ${Object.keys(kinds).join(', ')} in a message of this role.`)
    }
    return (kinds[type] as (part: Fields, at: string) => Given)(part, place)
  })
}

function list(content: unknown, at: string): readonly unknown[] {
  // Copied, because map passes over the holes of an array and a hole is no part.
  if (Array.isArray(content)) return [...content]
  throw invalid(`${at}.content must be a string or an array of parts, for role tool an array of results.`)
}

function fields(value: unknown, at: string): Fields {
  if (typeof value === 'object' && value !== null) return value as Fields
  throw invalid(`${at} must be an object.`)
}

function string(value: unknown, at: string): string {
  if (typeof value === 'string') return value
  throw invalid(`${at} must be a string.`)
}

function json(value: unknown, at: string): JsonValue {
  return JSON.parse(jsonText(value, at)) as JsonValue
}

function invalid(message: string): WickError {
  return new WickError('invalid-request', message)
}
