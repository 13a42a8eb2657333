/** The bench's own C++ programs, compiled once for each version of their source. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { cache, here } from '../paths.mjs'

/**
 * The path of what `c++` makes of a source of this folder.
 * @param {string} name of the source, without `.cpp`
 * @param {string[]} flags
 * @param {string} extension of the result
 */
export function compiled(name, flags, extension = '') {
  const source = join(here, 'native', `${name}.cpp`)
  const digest = createHash('sha256').update(readFileSync(source)).update(flags.join(' ')).digest('hex').slice(0, 12)
  const result = join(cache, `${name}-${digest}${extension}`)
  if (existsSync(result)) return result
  mkdirSync(cache, { recursive: true })
  const unfinished = `${result}.${process.pid}`
  const args = ['-std=c++17', '-O3', '-pthread', ...flags, source, '-o', unfinished]
  const { status, error } = spawnSync('c++', args, { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`c++ ${args.join(' ')} ended with ${error?.message ?? status}`)
  renameSync(unfinished, result)
  return result
}
