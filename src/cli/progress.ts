/**
 * A bar on stderr while something long goes on; nothing where stderr is not a terminal. It is gone when the work is done, so a
 * terminal shows the answer alone.
 */
import { SingleBar } from 'cli-progress'
import type { Progress } from '../index.js'
import type { Io } from './io.js'
import { bytes } from './render.js'

/** A bar named `title`, drawn from the first report on; `stop` takes it away. */
export function progressBar(io: Io, title: string): { report(progress: Progress): void; stop(): void } {
  if (!io.stderr.isTTY) return { report() {}, stop() {} }
  const bar = new SingleBar({
    format: (_options, { progress, value, total }) => {
      const cells = Math.round(progress * 24)
      return `${title} ${'█'.repeat(cells)}${'░'.repeat(24 - cells)} ${bytes(value)} of ${bytes(total)}`
    },
    stream: io.stderr,
    clearOnComplete: true,
    gracefulExit: false,
    hideCursor: null,
    linewrap: null,
  })
  let drawn = false
  return {
    report({ doneBytes, totalBytes }) {
      if (totalBytes === 0) return
      if (!drawn) bar.start(totalBytes, 0)
      drawn = true
      bar.setTotal(totalBytes)
      bar.update(doneBytes)
    },
    stop() {
      if (drawn) bar.stop()
    },
  }
}
