// Makes the tarballs a user installs: `wick` and the package of this platform with its binary.
//   node scripts/pack.mjs [--release] [FOLDER]     default FOLDER: build/packages; prints one path a line
// The published manifest differs from ours in one thing: it names the platform packages as optional dependencies.
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const args = process.argv.slice(2)
const out = resolve(args.find((arg) => !arg.startsWith('--')) ?? join(root, 'build/packages'))

function run(command, args, cwd) {
  const { status, stdout } = spawnSync(command, args, { cwd, stdio: ['ignore', 'pipe', 2], encoding: 'utf8', shell: process.platform === 'win32' })
  if (status !== 0) process.exit(status ?? 1)
  return stdout
}

function pack(folder) {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], folder))
  console.log(join(out, packed.filename))
}

run('node', [join(root, 'scripts/build.mjs'), ...args.filter((arg) => arg === '--release')], root)
mkdirSync(out, { recursive: true })
const stage = mkdtempSync(join(tmpdir(), 'wick-pack-'))
try {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const platforms = readdirSync(join(root, 'npm')).map((name) => JSON.parse(readFileSync(join(root, 'npm', name, 'package.json'), 'utf8')))
  manifest.optionalDependencies = Object.fromEntries(platforms.map(({ name, version }) => [name, version]))
  delete manifest.devDependencies
  delete manifest.scripts
  for (const path of [...manifest.files, 'README.md', 'LICENSE-MIT', 'LICENSE-APACHE']) {
    cpSync(join(root, path), join(stage, 'wick', path), { recursive: true })
  }
  writeFileSync(join(stage, 'wick/package.json'), JSON.stringify(manifest, null, 2))
  pack(join(stage, 'wick'))
  for (const { name, main } of platforms) {
    if (!existsSync(join(root, main))) continue
    const folder = join(stage, name)
    cpSync(join(root, 'npm', name.replace('wick-', '')), folder, { recursive: true })
    copyFileSync(join(root, main), join(folder, main))
    pack(folder)
  }
} finally {
  rmSync(stage, { recursive: true, force: true })
}
