/** Abort signals, listened to and let go of. */

/** Who waits for a signal. */
interface Listeners {
  readonly actions: Set<() => void>
  readonly letGo: () => void
}

// One listener a signal, however many wait for it: a server's runs may share one, and Node warns of the eleventh listener.
const listening = new WeakMap<AbortSignal, Listeners>()

/** Calls `action` once when `signal` aborts, at once if it has; returns what stops listening. */
export function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    action()
    return () => {}
  }
  const { actions, letGo } = listening.get(signal) ?? listen(signal)
  const own = (): void => action()
  actions.add(own)
  return () => {
    if (actions.delete(own) && actions.size === 0) letGo()
  }
}

function listen(signal: AbortSignal): Listeners {
  const actions = new Set<() => void>()
  const aborted = (): void => {
    listening.delete(signal)
    for (const action of actions) {
      // One that has let go meanwhile is not called any more, and none twice.
      actions.delete(action)
      action()
    }
  }
  const letGo = (): void => {
    listening.delete(signal)
    signal.removeEventListener('abort', aborted)
  }
  signal.addEventListener('abort', aborted, { once: true })
  const listeners = { actions, letGo }
  listening.set(signal, listeners)
  return listeners
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
