// Makes the bench able to run: its own dependencies (the peer among them) and wick as its sources are now.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { here, root } from './paths.mjs'

// What a peer's install scripts would do (building from source, fetching more) is not wanted: its prebuilt binary is measured.
// Not `npm ci`: it wants every optional package in the lock file, and not every registry has the peer's binaries for all systems.
if (!existsSync(join(here, 'node_modules/node-llama-cpp'))) run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'], here)
run(process.execPath, ['scripts/build.mjs'], root)

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
}
