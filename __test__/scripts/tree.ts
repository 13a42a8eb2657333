/** Small made-up trees for the scripts that check sources. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Files by their path in the tree. */
export type Tree = Readonly<Record<string, string>>

/** Runs a script of `scripts/` over a tree: its exit code, and what it complained of, a line each. */
export function check(script: string, tree: Tree): { code: number | null; complaints: string[] } {
  const root = mkdtempSync(join(tmpdir(), 'wick-check-'))
  try {
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    const path = fileURLToPath(new URL(`../../scripts/${script}`, import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, [path, root], { encoding: 'utf8' })
    return { code: status, complaints: stderr.split('\n').filter((line) => line !== '') }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
