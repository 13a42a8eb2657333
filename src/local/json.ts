/** JSON of what a user gives. */
import { WickError } from '../errors/index.js'

/** `value` as JSON text; `invalid-request` names the place `at` of what has none. */
export function jsonText(value: unknown, at: string): string {
  try {
    const text = JSON.stringify(value) as string | undefined
    if (text !== undefined) return text
  } catch {
    // A cycle or a bigint. The thrown message may quote the value, so it goes no further.
  }
  throw new WickError('invalid-request', `${at} must be something JSON can hold.`)
}
