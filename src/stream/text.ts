/** The text in a part, whatever kind of part it is. */

/** A string itself, and the text of a `text-delta` of the first answer; `undefined` for all else. */
export function textOf(part: unknown): string | undefined {
  if (typeof part === 'string') return part
  if (typeof part !== 'object' || part === null) return undefined
  const { type, text, alternative } = part as { type?: unknown; text?: unknown; alternative?: unknown }
  return type === 'text-delta' && alternative === undefined && typeof text === 'string' ? text : undefined
}
