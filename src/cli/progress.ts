/**
 * A bar on stderr while something long goes on; nothing where stderr is not a terminal. It is gone when the work is done, so a
 * terminal shows the answer alone.
 */
import { SingleBar } from 'cli-progress'
import type { Progress } from '../index.js'
import type { Io } from './io.js'
import { bytes } from './render.js'

/** A bar, and what else goes to stderr while it is there. */
export interface Bar {
  /** Draws it, from the first report on. */
  report(progress: Progress): void
  /** Writes a line above it; after `stop` just the line. */
  print(line: string): void
  /** Takes it away. */
  stop(): void
}

/** A bar named `title`. */
export function progressBar(io: Io, title: string): Bar {
  const print = (line: string) => void io.stderr.write(`${line}\n`)
  if (!io.stderr.isTTY) return { report() {}, print, stop() {} }
  const bar = new SingleBar({
    format: (_options, { progress, value, total }) => {
      const cells = Math.round(progress * 24)
      return `${title} ${'█'.repeat(cells)}${'░'.repeat(24 - cells)} ${bytes(value)} of ${bytes(total)}`
    },
    stream: io.stderr,
    clearOnComplete: true,
    gracefulExit: false,
    hideCursor: null,
    linewrap: true,
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
    print(line) {
      if (drawn) io.stderr.write('\r\u001b[K')
      print(line)
    },
    stop() {
      if (drawn) bar.stop()
      drawn = false
    },
  }
}
