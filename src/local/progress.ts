/** Work of the engine that reports how far it is and can be cancelled: loads and conversions. */
import { onAbort } from '../stream/index.js'
import type { NativeOutcome, NativeProgress } from './native.js'
import { unwrap } from './outcome.js'

/** How far something is. */
export interface Progress {
  readonly doneBytes: number
  readonly totalBytes: number
}

/** What watches it and may end it. */
export interface Watch {
  /** Called as it goes on; what it throws ends the work and is what the call rejects with. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** When it aborts, the work ends and the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Makes a function of the user safe to be called by the engine. */
export type Guard = <Value>(call: ((value: Value) => void) | undefined) => ((value: Value) => void) | undefined

/** Runs `work` to its end, under the eyes of `watch`; a value that comes after an abort is handed to `undo`. */
export async function watched<Value>(
  { onProgress, signal }: Watch,
  cancel: () => void,
  work: (report: ((progress: NativeProgress) => void) | undefined, guard: Guard) => Promise<NativeOutcome<Value>>,
  undo: (value: Value) => Promise<unknown> = async () => {},
): Promise<Value> {
  const failed: unknown[] = []
  const guard: Guard = (call) =>
    call &&
    ((value) => {
      if (failed.length > 0) return
      try {
        call(value)
      } catch (error) {
        failed.push(error)
        cancel()
      }
    })
  const letGo = onAbort(signal, cancel)
  try {
    signal?.throwIfAborted()
    const outcome = await work(guard(onProgress), guard)
    if (outcome.ok && (failed.length > 0 || signal?.aborted === true)) await undo(outcome.value)
    if (failed.length > 0) throw failed[0]
    signal?.throwIfAborted()
    return unwrap(outcome)
  } finally {
    letGo()
  }
}
