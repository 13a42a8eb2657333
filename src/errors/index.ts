/** `WickError`, its codes and guards, and the checks that throw it. */
export * as check from './checks.js'
export type { Check } from './checks.js'
export { isWickError, isWickErrorCode, WickError } from './wick-error.js'
export type { WickErrorCode, WickErrorOptions } from './wick-error.js'
