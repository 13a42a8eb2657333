/** Outcomes to values and throws: the one place where the engine's failures become errors. */
import { isWickErrorCode, WickError } from '../errors/index.js'
import type { NativeOutcome } from './native.js'

/** The value, or the failure thrown. */
export function unwrap<Value>(outcome: NativeOutcome<Value>): Value {
  if (outcome.ok) return outcome.value
  const { code, message, detail } = outcome
  if (isWickErrorCode(code)) throw new WickError(code, message, { detail })
  throw new WickError('internal', `${message} (the engine's code for it, ${code}, is not known here)`, { detail })
}
