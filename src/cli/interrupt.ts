/**
 * Ctrl-C: the first stops what is under way, the second the program.
 */
import { exitCodes, Interrupted } from './exit.js'
import type { Io } from './io.js'

/**
 * Runs `work` with a signal that the first Ctrl-C aborts with `Interrupted`. A second one, while the work is still winding
 * down, ends the process with 130.
 */
export async function interruptible<T>(io: Io, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const release = io.onInterrupt(() => {
    if (controller.signal.aborted) io.exit(exitCodes.interrupted)
    else controller.abort(new Interrupted())
  })
  try {
    return await work(controller.signal)
  } finally {
    release()
  }
}
