// Makes the tarballs a user installs: `wick` and, for each platform whose binary is here, the package that brings it.
//   node scripts/pack.mjs [--release | --built] [FOLDER]     default FOLDER: build/packages; prints one path a line
// --built packs what is there; otherwise what is older than its sources is built first, with --release as it is published.
// The published manifest differs from ours: it names the platform packages as optional dependencies, and leaves out what
// only the repository needs.
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const licences = ['LICENSE-MIT', 'LICENSE-APACHE']

const args = process.argv.slice(2)
const flags = args.filter((arg) => arg.startsWith('--'))
const [folder = join(root, 'build/packages'), ...more] = args.filter((arg) => !arg.startsWith('--'))
if (more.length > 0 || flags.length > 1 || flags.some((flag) => !['--release', '--built'].includes(flag))) {
  console.error('usage: node scripts/pack.mjs [--release | --built] [FOLDER]')
  process.exit(2)
}
const out = resolve(folder)

const manifest = readManifest('.')
const platforms = readdirSync(join(root, 'npm')).map((name) => ({ folder: join('npm', name), ...readManifest(join('npm', name)) }))
const strangers = platforms.filter(({ version }) => version !== manifest.version)
if (strangers.length > 0) fail(`wick is ${manifest.version}, but not ${strangers.map(({ folder }) => folder).join(', ')}: a release has one version.`)

if (!flags.includes('--built')) run('node', [join(root, 'scripts/build.mjs'), ...flags], root)
const built = platforms.filter(({ main }) => existsSync(join(root, main)))
if (built.length === 0 || !existsSync(join(root, 'dist/index.js'))) fail('there is no binary or no dist/ to pack: npm run build makes them.')

mkdirSync(out, { recursive: true })
const stage = mkdtempSync(join(tmpdir(), 'wick-pack-'))
try {
  console.log(pack(stageWick(join(stage, 'wick'))))
  for (const platform of built) console.log(pack(stagePlatform(join(stage, platform.name), platform)))
} finally {
  rmSync(stage, { recursive: true, force: true })
}

function stageWick(to) {
  copy([...manifest.files, 'README.md', ...licences], to)
  const { devDependencies, scripts, napi, ...published } = manifest
  const optionalDependencies = Object.fromEntries(platforms.map(({ name, version }) => [name, version]))
  writeManifest(to, { ...published, optionalDependencies })
  return to
}

function stagePlatform(to, { folder, ...published }) {
  cpSync(join(root, folder), to, { recursive: true })
  copy(licences, to)
  copyFileSync(join(root, published.main), join(to, published.main))
  writeManifest(to, published)
  return to
}

/** npm packs what `files` names; of licences it would find only one called LICENSE by itself. */
function writeManifest(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...manifest, files: [...manifest.files, ...licences] }, null, 2)}\n`)
}

/** Copies files and folders of the repository, under their names. */
function copy(paths, to) {
  for (const path of paths) cpSync(join(root, path), join(to, path), { recursive: true })
}

/** The path of the tarball that `npm pack` makes of a folder. */
function pack(folder) {
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], folder))
  return join(out, filename)
}

function readManifest(folder) {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
}

function run(command, args, cwd) {
  const { status, stdout } = spawnSync(command, args, { cwd, stdio: ['ignore', 'pipe', 2], encoding: 'utf8', shell: process.platform === 'win32' })
  if (status !== 0) process.exit(status ?? 1)
  return stdout
}

function fail(message) {
  console.error(`wick: ${message}`)
  process.exit(1)
}
