// Builds what is missing: the addon when a Rust source is newer than it, dist/ when a TypeScript source is newer than it.
//   node scripts/build.mjs [--release] [--force]
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const flags = new Set(process.argv.slice(2))

/** The newest modification below the given files and folders, in milliseconds. */
function newest(...paths) {
  const times = paths.map((path) => join(root, path)).map(function visit(path) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (!stat) return 0
    if (!stat.isDirectory()) return stat.mtimeMs
    return Math.max(0, ...readdirSync(path).filter((name) => name !== 'target').map((name) => visit(join(path, name))))
  })
  return Math.max(...times)
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (status === 0) return
  if (error?.code === 'ENOENT') console.error(`wick: ${command} is not installed; the README lists what the build needs.`)
  process.exit(status ?? 1)
}

const addons = readdirSync(root).filter((name) => name.endsWith('.node'))
const sources = newest('crates', 'Cargo.toml', 'Cargo.lock', 'build.rs')
if (flags.has('--force') || flags.has('--release') || addons.length === 0 || newest(...addons) < sources) {
  console.error('wick: building the Rust core (about three minutes the first time) …')
  const profile = flags.has('--release') ? ['--release'] : []
  // A new file instead of new bytes in the old one: a process may have it mapped.
  for (const name of addons) rmSync(join(root, name))
  run('npx', ['napi', 'build', '--platform', '--esm', '--js', 'index.js', '--dts', 'index.d.ts', ...profile])
}
if (!existsSync(join(root, 'dist/index.js')) || newest('dist') < newest('src', 'tsconfig.json', 'tsconfig.build.json', 'index.d.ts')) {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  run('npx', ['tsc', '-p', 'tsconfig.build.json'])
}
