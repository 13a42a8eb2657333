/** What the system knows of another process. */
import { readdirSync, readFileSync } from 'node:fs'

/** CPU time of the threads of a process whose names begin so, in milliseconds with the scheduler's precision. */
export function threadCpuMs(pid, prefix = '') {
  const read = (thread, what) => readFileSync(`/proc/${pid}/task/${thread}/${what}`, 'utf8').trim()
  const named = readdirSync(`/proc/${pid}/task`).map((thread) => ({ thread, name: read(thread, 'comm') }))
  return named
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ thread, name }) => ({ name, ms: Number(read(thread, 'schedstat').split(' ')[0]) / 1e6 }))
}
