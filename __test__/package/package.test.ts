/** The package as a user gets it: packed, installed from the tarballs into an empty folder, imported, compiled against, run. */
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Project, root, Tarballs } from './project.js'

let tarballs: Tarballs
let project: Project

beforeAll(() => {
  tarballs = new Tarballs()
  project = new Project(tarballs.paths)
}, 180_000)

afterAll(() => {
  project?.remove()
  tarballs?.remove()
}, 60_000)

const json = (text: string) => JSON.parse(text) as unknown
const installed = (name: string) => join(project.folder, 'node_modules', name)
const manifest = (name: string) => json(readFileSync(join(installed(name), 'package.json'), 'utf8')) as Record<string, unknown>

describe('the tarballs', () => {
  it('hold what runs and what types it, and nothing else', () => {
    const [wick = ''] = tarballs.wick
    const own = /^(package\.json|README\.md|LICENSE-(MIT|APACHE)|index\.(js|d\.ts)|bin\/wick\.js|models\/ember\.gguf|dist\/[\w/-]+\.(js|d\.ts))$/
    const files = tarballs.list(wick)
    expect(files.filter((name) => !own.test(name))).toEqual([])
    expect(files).toEqual(expect.arrayContaining(['index.js', 'dist/index.js', 'dist/index.d.ts', 'bin/wick.js', 'models/ember.gguf', 'LICENSE-MIT']))
    const platforms = tarballs.paths.filter((path) => path !== wick)
    expect(platforms.length).toBeGreaterThan(0)
    for (const path of platforms) {
      expect(tarballs.list(path).sort()).toEqual(['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json', expect.stringMatching(/^wick\.[\w-]+\.node$/)])
    }
  })

  it('name every platform package as optional, in their own version, and nothing of the repository', () => {
    const { version, optionalDependencies, ...published } = manifest('wick')
    const platforms = readdirSync(join(root, 'npm')).map((name) => [`wick-${name}`, version])
    expect(optionalDependencies).toEqual(Object.fromEntries(platforms))
    expect(Object.keys(published).filter((name) => /^(devDependencies|scripts|napi)$/.test(name))).toEqual([])
    expect(Object.keys(published['dependencies'] as object).sort()).toEqual(['cli-progress', 'commander', 'picocolors'])
  })
})

// Programs are started here, on machines that do other things too.
describe('installed in an empty folder', { timeout: 60_000 }, () => {
  it('runs without a script at install, though the other platforms\' packages are nowhere', () => {
    const platforms = readdirSync(join(project.folder, 'node_modules')).filter((name) => name.startsWith('wick-'))
    expect(platforms).toHaveLength(1)
    for (const name of ['wick', ...platforms]) expect(manifest(name)).not.toHaveProperty('scripts')
  })

  it('is the same from import and from require', async () => {
    project.write('imports.mjs', "import * as wick from 'wick'\nimport { createRequire } from 'node:module'\nconst required = createRequire(import.meta.url)('wick')\nconsole.log(JSON.stringify(Object.keys(wick).map((name) => [name, wick[name] === required[name]])))\n")
    project.write('requires.cjs', "const required = require('wick')\nimport('wick').then((wick) => console.log(JSON.stringify(Object.keys(required).map((name) => [name, wick[name] === required[name]]))))\n")
    const [imports, requires] = [await project.node('imports.mjs'), await project.node('requires.cjs')]
    const names = json(imports.out) as Array<[string, boolean]>
    expect(Object.fromEntries(names)).toMatchObject({ generate: true, load: true, WickError: true, Run: true })
    expect(names.filter(([, same]) => !same)).toEqual([])
    expect(Object.fromEntries(json(requires.out) as typeof names)).toEqual(Object.fromEntries(names))
    expect([imports.err, requires.err]).toEqual(['', ''])
  })

  it('does not touch the addon before a model is loaded', async () => {
    project.write('untouched.mjs', "import { load } from 'wick'\nconst addons = () => process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node')).length\nconst before = addons()\nawait load()\nconsole.log(JSON.stringify([before, addons()]))\n")
    expect(json((await project.node('untouched.mjs')).out)).toEqual([0, 1])
  })

  it('answers from the command line, and examines the machine', async () => {
    const run = await project.npx('wick', 'run', '--temperature', '0', 'Hello!')
    expect(run).toMatchObject({ code: 0, err: '' })
    expect(run.out.trim().split(' ').length).toBeGreaterThan(3)
    const doctor = await project.npx('wick', 'doctor', '--json')
    expect(json(doctor.out)).toMatchObject({ model: { chosen: { path: join(installed('wick'), 'models/ember.gguf') } } })
    expect(doctor.code).toBe(0)
  })

  it('does in TypeScript what its types say', async () => {
    for (const name of ['typed.mts', 'typed.cts']) copyFileSync(join(import.meta.dirname, 'consumer', name), join(project.folder, name))
    const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true, skipLibCheck: false }
    const target = { target: 'es2022', lib: ['es2023', 'esnext.disposable'], module: 'nodenext', types: ['node'], typeRoots: [join(root, 'node_modules/@types')] }
    project.write('tsconfig.json', JSON.stringify({ compilerOptions: { ...strict, ...target, outDir: 'out' }, files: ['typed.mts', 'typed.cts'] }))
    expect(await project.node(join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json')).toEqual({ code: 0, out: '', err: '' })
    const [esm, cjs] = [await project.node('out/typed.mjs'), await project.node('out/typed.cjs')]
    expect([esm.err, cjs.err]).toEqual(['', ''])
    expect(json(esm.out)).toEqual({ type: 'start', words: true, vocabulary: true, refused: true })
    expect(json(cjs.out)).toEqual({ words: true })
  })

  it.each(readdirSync(join(root, 'examples')).filter((name) => /\.[cm]?js$/.test(name)))('runs examples/%s', async (name) => {
    copyFileSync(join(root, 'examples', name), join(project.folder, name))
    const { code, out, err } = await project.node(name)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out.trim()).not.toBe('')
  })
})

describe('installed without its platform package', () => {
  it('imports, and says what to do when a model is loaded', async () => {
    const without = new Project(tarballs.wick)
    try {
      expect(existsSync(join(without.folder, 'node_modules/wick'))).toBe(true)
      without.write('load.mjs', "import { isWickError, load } from 'wick'\nawait load().catch((error) => console.log(isWickError(error, 'unsupported'), error.message))\n")
      const { code, out } = await without.node('load.mjs')
      expect(code).toBe(0)
      expect(out).toMatch(/^true wick's engine for [\w-]+ .* could not be loaded\. Install with optional dependencies \(npm install --include=optional\)/)
      expect(await without.npx('wick', 'run', 'Hello!')).toMatchObject({ code: 3, out: '', err: expect.stringContaining('[unsupported]') })
    } finally {
      without.remove()
    }
  }, 180_000)
})
