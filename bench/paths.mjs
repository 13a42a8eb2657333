/** Where things are. */
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The bench's own folder. */
export const here = dirname(fileURLToPath(import.meta.url))

/** wick's repository. */
export const root = dirname(here)

/** What all of wick's tools keep between runs: `$WICK_CACHE`, by default `~/.cache/wick`. */
export const sharedCache = process.env['WICK_CACHE'] || join(homedir(), '.cache/wick')

/** What the bench keeps: model files, built peers and programs. */
export const cache = join(sharedCache, 'bench')

/** A path as whoever called npm meant it: npm runs scripts in the package's folder. */
export function given(path) {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path)
}
