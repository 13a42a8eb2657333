/** JSON of what a user gives. */
import { WickError } from '../errors/index.js'

// Half of a surrogate pair, as JSON.stringify escapes it: behind an even number of backslashes.
const half = /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g

/**
 * `value` as JSON text; `invalid-request` names the place `at` of what has none. Half a character becomes U+FFFD, as it does in
 * strings that cross by themselves: no reader of UTF-8 could take it.
 */
export function jsonText(value: unknown, at: string): string {
  try {
    const text = JSON.stringify(value) as string | undefined
    if (text !== undefined) return text.replace(half, '$1\\ufffd')
  } catch {
    // A cycle or a bigint. The thrown message may quote the value, so it goes no further.
  }
  throw new WickError('invalid-request', `${at} must be something JSON can hold.`)
}
