/** What the system knows of another process. */
import { readdirSync, readFileSync } from 'node:fs'

/** CPU time of all threads of a process, in milliseconds with the scheduler's precision. */
export function threadCpuMs(pid) {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6
}
