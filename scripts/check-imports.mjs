// Who may import whom. The tables below are the rules; docs/architecture.md says what each crate and room is for.
//   node scripts/check-imports.mjs [ROOT]     prints file:line and the rule, and exits with 1, when one is broken
import { builtinModules } from 'node:module'
import { dirname, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { files, folders, lineAt, read, report, rustCode, typescriptCode } from './source.mjs'

/** Rust: data flows down this list. A crate may use those above it; all may use testkit, in tests only. */
const crates = ['spec', 'weights', 'text', 'kernels', 'compute', 'models', 'sample', 'engine', 'hub', 'node', 'testkit']

/** Rust: what only some crates may use, and in which of their folders. */
const kept = [
  { what: 'napi', names: /^napi(-.+)?$/, crates: ['node'], folders: ['crates/node', 'build.rs'] },
  {
    what: 'candle',
    names: /^candle-.+$/,
    crates: ['compute', 'models'],
    folders: ['crates/compute/src/candle', 'crates/compute/tests/file_weights', 'crates/models/src/vision', 'crates/models/src/image', 'crates/models/src/audio'],
  },
  { what: 'tokenizers', names: /^tokenizers$/, crates: ['text'], folders: ['crates/text'] },
  { what: 'minijinja', names: /^minijinja(-.+)?$/, crates: ['text'], folders: ['crates/text'] },
  {
    what: 'HTTP',
    names: /^(hf-hub|ureq|reqwest|hyper|isahc|curl|attohttpc|minreq|surf)$/,
    crates: ['hub'],
    folders: ['crates/hub'],
  },
]

/**
 * TypeScript: data flows down this list, and a room may import those above it.
 *   types    holds types only, and imports nothing but its own
 *   builtins may import node: modules
 *   addon    may import the addon, ../index.js, when it is first used
 *   apart    its folders do not import one another
 *   verbs    stands on the verbs: of the rooms it may import these alone, and those of its kind above it
 *   public   stands on the public surface: it may import src/index.ts and itself
 */
const rooms = {
  spec: { types: true },
  errors: {},
  platform: { builtins: true },
  stream: {},
  http: { builtins: true },
  protocols: { apart: true },
  providers: {},
  catalog: {},
  local: { builtins: true, addon: true },
  generate: {},
  context: { verbs: true },
  memory: { verbs: true },
  chat: { verbs: true },
  agent: { verbs: true },
  workflow: { verbs: true },
  'ai-sdk': { public: true },
  test: { public: true },
  server: { public: true, builtins: true },
  web: { public: true },
  cli: { public: true, builtins: true },
}
const verbs = ['spec', 'errors', 'platform', 'stream', 'generate']

const order = Object.keys(rooms)
const builtins = new Set(builtinModules)

/** A path that begins with a crate's name: `use candle_core`, `candle_core::Tensor`. */
const rustPath = /\buse\s+(?:::)?(\w+)|\bextern\s+crate\s+(\w+)|(?<![\w:]|:\s)(?:::)?\b([a-z]\w*)\s*::/g

const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)))
const rust = [...files(root, 'crates', '.rs'), ...files(root, 'build.rs', '.rs')]
const typescript = files(root, 'src', '.ts')
report(`imports of ${rust.length} Rust and ${typescript.length} TypeScript files`, check())

/** Every broken rule: `{ path, line, rule }`. */
function check() {
  const strays = [
    ...folders(root, 'crates').filter((name) => !crates.includes(name)).map((name) => stray(`crates/${name}`)),
    ...folders(root, 'src').filter((name) => !(name in rooms)).map((name) => stray(`src/${name}`)),
  ]
  const manifests = crates.flatMap((crate) => {
    const path = crate === 'node' ? 'Cargo.toml' : `crates/${crate}/Cargo.toml`
    return files(root, path, '.toml').flatMap((path) => checkManifest(crate, path, read(root, path)))
  })
  return [
    ...strays,
    ...manifests,
    ...rust.flatMap((path) => checkRust(path, rustCode(read(root, path)))),
    ...typescript.flatMap((path) => checkTypescript(path, typescriptCode(read(root, path)))),
  ]
}

function stray(path) {
  return { path, line: 1, rule: 'has no place in the lists of scripts/check-imports.mjs; give it one' }
}

/** The dependencies a Cargo.toml names: `{ name, dev, line }`, under the name of the package where it is renamed. */
function dependencies(text) {
  const found = []
  let section
  for (const [index, line] of text.split('\n').entries()) {
    const heading = /^\s*\[([^[\]]+(?:\[[^\]]*\][^[\]]*)*)\]/.exec(line)?.[1]
    if (heading) section = /^(?:target\..+\.)?(dev-|build-)?dependencies(?:\.(.+))?$/.exec(heading.trim())
    if (!section) continue
    const [, kind, own] = section
    const key = own ?? /^\s*"?([\w-]+)"?\s*[.=]/.exec(line)?.[1]
    const renamed = /\bpackage\s*=\s*"([^"]+)"/.exec(line)?.[1]
    if (key && (own === undefined || heading || renamed)) found.push({ name: renamed ?? key, dev: kind === 'dev-', line: index + 1 })
  }
  return found
}

function checkManifest(crate, path, text) {
  return dependencies(text).flatMap(({ name, dev, line }) => {
    const rule = name.startsWith('wick-') ? brokenOrder(crate, name.slice(5), dev) : brokenKeeping(crate, name)
    return rule ? [{ path, line, rule }] : []
  })
}

function brokenOrder(crate, used, dev) {
  if (used === 'testkit') return dev ? undefined : `${crate} uses testkit outside its tests`
  const [own, other] = [crates.indexOf(crate), crates.indexOf(used)]
  if (other < own && other >= 0) return undefined
  return `${crate} uses ${used}, which is not above it (${crates.join(', ')})`
}

function brokenKeeping(crate, name) {
  const rule = kept.find((rule) => rule.names.test(name) && !rule.crates.includes(crate))
  return rule && `${crate} uses ${name}; ${rule.what} belongs to ${rule.crates.join(' and ')} alone`
}

function checkRust(path, code) {
  const found = new Map()
  for (const match of code.matchAll(rustPath)) {
    const name = (match[1] ?? match[2] ?? match[3]).replaceAll('_', '-')
    const rule = kept.find((rule) => rule.names.test(name))
    if (!rule || rule.folders.some((folder) => path === folder || path.startsWith(`${folder}/`))) continue
    const line = lineAt(code, match.index)
    found.set(line, { path, line, rule: `${rule.what} is used outside ${rule.folders.join(', ')}` })
  }
  return [...found.values()]
}

/** Every module a file imports: `{ module, typeOnly, dynamic, at }`. */
function imports(code) {
  const statement = /^[ \t]*(?:import|export)\b(?:(\s+type\b)(?!\s*(?:,|from\b)))?(?:[\w\s{},*$]*?\bfrom)?\s*(['"])([^'"\n]+)\2/gm
  const call = /\b(?:import|require|import\.meta\.resolve)\s*\(\s*(['"`])([^'"`\n]+)\1/g
  const text = (match) => match.index + match[0].length - 1
  return [
    ...[...code.matchAll(statement)].map((m) => ({ module: m[3], typeOnly: m[1] !== undefined, dynamic: false, at: text(m) })),
    ...[...code.matchAll(call)].map((m) => ({ module: m[2], typeOnly: false, dynamic: true, at: text(m) })),
  ]
}

function checkTypescript(path, code) {
  const room = path.split('/').length > 2 ? path.split('/')[1] : undefined
  const rules = rooms[room] ?? {}
  const broken = imports(code).flatMap((found) => {
    const rule = brokenImport(path, room, rules, found)
    return rule ? [{ path, line: lineAt(code, found.at), rule }] : []
  })
  return rules.types ? [...broken, ...runtimeExports(path, code)] : broken
}

/** What `src/spec` may not hold: exports that are there at run time. */
function runtimeExports(path, code) {
  const statements = [...code.matchAll(/^[ \t]*export\b(?!\s+(?:declare|interface|type)\b)/gm)]
  const imported = imports(code).filter((found) => !found.typeOnly)
  return [
    ...statements.map((m) => ({ path, line: lineAt(code, m.index), rule: 'spec holds types only: this exports something of run time' })),
    ...imported.map((m) => ({ path, line: lineAt(code, m.at), rule: 'spec holds types only: this imports something of run time' })),
  ]
}

function brokenImport(path, room, rules, { module, typeOnly, dynamic }) {
  if (module.startsWith('node:') || builtins.has(module.split('/')[0])) {
    if (rules.builtins) return undefined
    const allowed = order.filter((name) => rooms[name].builtins)
    return `${room ?? 'src'} imports ${module}; Node's modules belong to ${allowed.join(', ')}`
  }
  if (!module.startsWith('.')) return undefined
  const target = posix.join(posix.dirname(path), module)
  if (!target.startsWith('src/')) return brokenAddon(room, rules, target, typeOnly || dynamic)
  // The files of src itself are the public surface: they gather what the rooms offer.
  if (room === undefined) return undefined
  const other = target.split('/').length > 2 ? target.split('/')[1] : undefined
  if (other === undefined) {
    return rules.public && /^src\/index\.[jt]s$/.test(target) ? undefined : `${room} imports ${target}, which is made of the rooms`
  }
  return other === room ? brokenApart(path, room, rules, target) : brokenRoom(room, rules, other)
}

function brokenAddon(room, rules, target, lazy) {
  if (target !== 'index.js') return `${room ?? 'src'} imports ${target}, outside src`
  if (!rules.addon) return `${room ?? 'src'} imports the addon; only local may`
  return lazy ? undefined : 'the addon is loaded on first use: import its types, or await import() it'
}

function brokenApart(path, room, rules, target) {
  const folder = (file) => (file.split('/').length > 3 ? file.split('/')[2] : undefined)
  const [own, other] = [folder(path), folder(target)]
  if (!rules.apart || own === undefined || other === undefined || own === other) return undefined
  return `${room}/${own} imports ${room}/${other}; they share through the room's own files`
}

function brokenRoom(room, rules, other) {
  if (!(other in rooms)) return `${room} imports ${other}, which is in no list`
  if (rules.public) return `${room} imports ${other}; it stands on the public surface, src/index.ts, alone`
  if (order.indexOf(other) > order.indexOf(room)) return `${room} imports ${other}, which is below it (${order.join(', ')})`
  if (rules.verbs && !verbs.includes(other) && !rooms[other].verbs) return `${room} imports ${other}; it stands on the verbs alone`
  return undefined
}
