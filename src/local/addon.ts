/**
 * The addon, loaded on first local use: who uses hosted models only never touches it.
 *
 * The only place that imports it.
 */
import { WickError } from '../errors/index.js'
import { platformName } from '../platform/index.js'
import type * as native from '../../index.js'

/** What the face uses of the addon. */
export type Addon = Pick<typeof native, 'machine' | 'support' | 'NativeCancel' | 'NativeConversion' | 'NativeLoad'>

let addon: Promise<Addon> | undefined

/** The addon; `unsupported` with what was tried where there is none for this platform. */
export function openAddon(): Promise<Addon> {
  addon ??= import('../../index.js').catch((error: unknown) => {
    throw addonMissing(error)
  })
  return addon
}

/** Puts a scripted addon in the place of the real one, or takes it away. For tests. */
export function replaceAddon(scripted: Addon | undefined): void {
  addon = scripted && Promise.resolve(scripted)
}

/** What a failed import of the addon is to the user: `error` is what napi's loader threw, what it tried its chain of causes. */
export function addonMissing(error: unknown): WickError {
  const tried = causes(error).map((reason) => `\n  - ${reason}`)
  return new WickError(
    'unsupported',
    `wick's engine for ${platformName()} (Node ${process.version}) could not be loaded. Install with optional dependencies ` +
      `(npm install --include=optional), or build it in the repository with npm run build. What was tried:${tried.join('')}`,
    { cause: error },
  )
}

/** The messages of an error and of all it was caused by, first lines only, each once. */
function causes(error: unknown): string[] {
  const messages = new Set<string>()
  for (let cause = error, depth = 0; cause instanceof Error && depth < 16; cause = cause.cause, depth += 1) {
    messages.add(cause.message.split('\n', 1)[0] ?? '')
  }
  return [...messages]
}
