/** A control group with a CPU quota, where the system lets us make one; version 1 and 2. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PERIOD_US = 100_000

/** What differs between the versions. */
const versions = [
  {
    root: '/sys/fs/cgroup/cpu',
    limit: (folder, cores) => {
      writeFileSync(join(folder, 'cpu.cfs_period_us'), String(PERIOD_US))
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(cores * PERIOD_US))
    },
    throttled: { key: 'throttled_time', perMs: 1e6 },
  },
  {
    root: '/sys/fs/cgroup',
    limit: (folder, cores) => writeFileSync(join(folder, 'cpu.max'), `${cores * PERIOD_US} ${PERIOD_US}`),
    throttled: { key: 'throttled_usec', perMs: 1e3 },
  },
]

/**
 * Makes a group; the reason where the system does not allow it.
 * @param {number} cores of the quota
 */
export function controlGroup(cores) {
  const version = versions.find(({ root }) => existsSync(join(root, 'cgroup.procs')))
  if (!version) return 'the system has no control groups for CPU time'
  const folder = join(version.root, `wick-bench-${process.pid}`)
  try {
    mkdirSync(folder)
    version.limit(folder, cores)
  } catch (error) {
    remove(folder)
    return `no control group can be made (${error.code})`
  }
  const { key, perMs } = version.throttled
  return {
    /** Put in front of a command, it runs in the group. */
    prefix: ['sh', '-c', `echo $$ > ${join(folder, 'cgroup.procs')} && exec "$@"`, 'sh'],
    throttledMs: () => Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(readFileSync(join(folder, 'cpu.stat'), 'utf8'))?.[1] ?? NaN) / perMs,
    remove: () => remove(folder),
  }
}

function remove(folder) {
  if (!existsSync(folder)) return
  try {
    rmdirSync(folder)
  } catch {
    // A process of the group that has just been killed may still be on its way out; an empty group costs nothing.
  }
}
