/** What the views of a run show of its parts. */
import { onAbort } from './abort.js'
import { textOf } from './text.js'

/** Reads `parts`, and leaves them as soon as `signal` aborts, also while one is pending. */
export async function* until<Part>(signal: AbortSignal, parts: AsyncIterable<Part>): AsyncGenerator<Part> {
  const reader = parts[Symbol.asyncIterator]()
  const leave = async (): Promise<void> => void (await reader.return?.())
  const letGo = onAbort(signal, () => void leave().catch(() => undefined))
  try {
    for (let step = await reader.next(); step.done !== true; step = await reader.next()) yield step.value
  } finally {
    letGo()
    await leave()
  }
}

/** The texts that are not empty. */
export async function* texts(parts: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const part of parts) {
    const text = textOf(part)
    if (text) yield text
  }
}

/** What `change` makes of each part. */
export async function* changed<Part, Changed>(
  parts: AsyncIterable<Part>,
  change: (part: Part) => Changed | Promise<Changed>,
): AsyncGenerator<Changed> {
  for await (const part of parts) yield await change(part)
}
