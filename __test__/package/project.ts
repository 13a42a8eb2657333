/** An empty folder of a user with the tarballs installed in it, and what they run there. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

export const root = join(import.meta.dirname, '../..')

/** What a program printed, and how it ended. */
export interface Outcome {
  code: number | null
  out: string
  err: string
}

/** The tarballs as `node scripts/pack.mjs` makes them of what is built. */
export class Tarballs {
  readonly #folder = mkdtempSync(join(tmpdir(), 'wick-tarballs-'))
  readonly paths: string[]

  constructor() {
    const packed = spawnSync(process.execPath, [join(root, 'scripts/pack.mjs'), '--built', this.#folder], { encoding: 'utf8', env: environment() })
    if (packed.status !== 0) throw new Error(`pack.mjs ended with ${packed.status}: ${packed.stderr}`)
    this.paths = packed.stdout.trim().split('\n')
  }

  /** `wick` itself, and the packages with a binary. */
  get wick(): string[] {
    return this.paths.filter((path) => /^wick-\d/.test(basename(path)))
  }

  /** The files of one, without the folder they are all in. */
  list(path: string): string[] {
    const listed = spawnSync('tar', ['-tzf', path], { encoding: 'utf8' })
    return listed.stdout.trim().split('\n').map((name) => name.replace(/^package\//, ''))
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A folder where `npm install TARBALL …` has been. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'wick-project-'))

  constructor(tarballs: readonly string[]) {
    writeFileSync(join(this.folder, 'package.json'), JSON.stringify({ name: 'project', private: true }))
    // What the cache has is not asked for again: the dependencies are there since this repository's own `npm ci`.
    const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs]
    const shell = process.platform === 'win32'
    const installed = spawnSync('npm', args, { cwd: this.folder, encoding: 'utf8', env: environment(), shell })
    if (installed.status !== 0) throw new Error(`npm install ended with ${installed.status}: ${installed.stderr}`)
  }

  /** Writes a file of the project, and says where. */
  write(name: string, text: string): string {
    const path = join(this.folder, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    return path
  }

  /** `node ARGS` there. */
  node(...args: string[]): Promise<Outcome> {
    return this.#run(process.execPath, args)
  }

  /** `npx ARGS` there, with nothing but what is installed. */
  npx(...args: string[]): Promise<Outcome> {
    return this.#run('npx', ['--no-install', ...args])
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #run(command: string, args: string[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const options = { cwd: this.folder, env: environment(), shell: process.platform === 'win32' && command === 'npx' }
      const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
      let [out, err] = ['', '']
      child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
      child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
      child.on('error', reject).on('close', (code) => resolve({ code, out, err }))
    })
  }
}

/** The environment without what `npm test` and vitest put into it, which would be this repository's and not the user's. */
function environment(): NodeJS.ProcessEnv {
  const foreign = /^(npm_|VITEST|NODE_ENV$|NODE_OPTIONS$|INIT_CWD$|TEST$)/i
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name))
  return { ...Object.fromEntries(kept), npm_config_update_notifier: 'false', npm_config_loglevel: 'error' }
}
