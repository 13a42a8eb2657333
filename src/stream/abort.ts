/** Abort signals, listened to and let go of. */

/** Calls `action` once when `signal` aborts, at once if it has; returns what stops listening. */
export function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    action()
    return () => {}
  }
  signal.addEventListener('abort', action, { once: true })
  return () => signal.removeEventListener('abort', action)
}

/**
 * Waits for `work`, but not longer than until `signal` aborts: then it throws the signal's reason, and what becomes of the work is
 * nobody's, its failure neither.
 */
export async function unlessAborted<Value>(signal: AbortSignal, work: Value | Promise<Value>): Promise<Value> {
  let letGo = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    letGo = onAbort(signal, () => reject(signal.reason))
  })
  try {
    return await Promise.race([aborted, work])
  } finally {
    letGo()
  }
}
