/** How fast the machine reads memory: the limit of decode. */
import { spawnSync } from 'node:child_process'
import { compiled } from '../native/compile.mjs'

/** Measures each of the run's thread counts; the best of the loops and pages is the figure. */
export function bandwidth(run) {
  const { under, threads } = run.options
  const [command, ...args] = [...under, compiled('bandwidth', ['-mavx2']), ...threads.map(String)]
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`)
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line))
  for (const count of threads) {
    const of = lines.filter((line) => line.threads === count)
    const best = of.reduce((one, other) => (other.bytesPerSecond > one.bytesPerSecond ? other : one))
    const value = best.bytesPerSecond / 1e9
    run.add({ measure: 'bandwidth', threads: count, engine: 'machine', unit: 'GB/s', values: of.map(({ bytesPerSecond }) => bytesPerSecond / 1e9), median: value, loops: of, best: `${best.loop}, ${best.pages} pages` })
    run.progress({ measure: 'bandwidth', threads: count, unit: 'GB/s' }, best.loop, undefined, value)
  }
}
