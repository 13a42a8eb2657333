// What the checks of this folder read: the source files below a folder, and their text without what is not code.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const skipped = new Set(['node_modules', 'target', 'dist', '.git'])

/** Paths of the files below `folder` whose name ends so, relative to `root`, in order; none where there is no such folder. */
export function files(root, folder, ending) {
  const stat = statSync(join(root, folder), { throwIfNoEntry: false })
  if (!stat) return []
  if (!stat.isDirectory()) return folder.endsWith(ending) ? [folder] : []
  const names = readdirSync(join(root, folder)).filter((name) => !skipped.has(name))
  return names.sort().flatMap((name) => files(root, `${folder}/${name}`, ending))
}

/** The names of the folders in `folder`; none where there is no such folder. */
export function folders(root, folder) {
  if (!statSync(join(root, folder), { throwIfNoEntry: false })) return []
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !skipped.has(entry.name))
    .map((entry) => entry.name)
    .sort()
}

export const read = (root, path) => readFileSync(join(root, path), 'utf8')

/** The line, from 1, of an offset in a text. */
export const lineAt = (text, offset) => text.slice(0, offset).split('\n').length

const blank = (text) => text.replace(/[^\n]/g, ' ')

/**
 * Rust with comments, strings and character literals blanked; every other character keeps its place.
 * Raw strings are known up to two hashes, block comments may hold one level of another.
 */
export function rustCode(text) {
  const token =
    /\/\/[^\n]*|\/\*(?:[^*/]|\*(?!\/)|\/(?!\*)|\/\*[^]*?\*\/)*\*\/|\bb?r(#{0,2})"[^]*?"\1|"(?:\\[^]|[^"\\])*"|'(?:\\[^\n]*?|[^'\\\n])'/g
  return text.replace(token, blank)
}

/** TypeScript with comments blanked; strings are kept, for they name what is imported. */
export function typescriptCode(text) {
  const token = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`|\/\/[^\n]*|\/\*[^]*?\*\//g
  return text.replace(token, (found) => (found.startsWith('/') ? blank(found) : found))
}

/** Prints what is wrong, one a line, and ends the process: with 1 when anything is. */
export function report(name, problems) {
  for (const { path, line, rule } of problems) console.error(`${path}:${line}: ${rule}`)
  console.log(`${name}: ${problems.length === 0 ? 'ok' : `${problems.length} against the rules`}`)
  process.exit(problems.length === 0 ? 0 : 1)
}
