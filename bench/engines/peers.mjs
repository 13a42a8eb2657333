/** The peers, kept to the instructions that a run allows. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cache, here, root } from '../paths.mjs'

const installed = join(here, 'node_modules')

/**
 * The folder that node-llama-cpp is imported from.
 *
 * Its prebuilt binary comes with a library for each processor and takes the best that runs. With `avx2` it is given a copy that
 * has none above `haswell`, which is AVX2, FMA, F16C and BMI2.
 */
export function peerModules(cpu) {
  if (cpu === 'native') return installed
  const { version } = JSON.parse(readFileSync(join(installed, 'node-llama-cpp/package.json'), 'utf8'))
  const folder = join(cache, `node-llama-cpp-${version}-avx2`)
  if (existsSync(folder)) return join(folder, 'node_modules')
  console.error(`copying node-llama-cpp to ${folder}`)
  const unfinished = `${folder}.${process.pid}`
  const kept = (path) => {
    if (path.includes('/@node-llama-cpp/')) {
      const variant = /libggml-cpu-(\w+)\.so$/.exec(path)?.[1]
      return /\/@node-llama-cpp\/linux-x64(\/|$)/.test(path) && (variant === undefined || ['x64', 'haswell'].includes(variant))
    }
    return basename(path) !== '.bin'
  }
  cpSync(installed, join(unfinished, 'node_modules'), { recursive: true, filter: kept })
  renameSync(unfinished, folder)
  return join(folder, 'node_modules')
}

/** Its version names its cache; `tools/oracle/vectors.py` pins the package. */
const LLAMA_CPP = '0.3.36'

const portable = { GGML_AVX: 'ON', GGML_AVX2: 'ON', GGML_FMA: 'ON', GGML_F16C: 'ON', GGML_BMI2: 'ON' }
const flagsOf = {
  avx2: { GGML_NATIVE: 'OFF', ...portable },
  native: { GGML_NATIVE: 'ON' },
}
const always = {
  CMAKE_BUILD_TYPE: 'Release',
  BUILD_SHARED_LIBS: 'OFF',
  GGML_OPENMP: 'OFF',
  LLAMA_CURL: 'OFF',
  LLAMA_OPENSSL: 'OFF',
  LLAMA_BUILD_TESTS: 'OFF',
  LLAMA_BUILD_EXAMPLES: 'OFF',
  LLAMA_BUILD_SERVER: 'OFF',
}

const PROGRAMS = ['llama-bench', 'llama-batched-bench']

/**
 * The path of a program of llama.cpp, built from its source as PyPI has it where it is not there yet (6 minutes on two cores).
 * @param {'llama-bench' | 'llama-batched-bench'} name
 */
export function llamaProgram(cpu, name) {
  const folder = join(cache, `llama.cpp-${LLAMA_CPP}-${cpu}`)
  const program = join(folder, 'bin', name)
  if (existsSync(program)) return program
  console.error(`building ${program}; it takes some minutes, once`)
  const source = join(cache, `llama.cpp-${LLAMA_CPP}-source`)
  if (!existsSync(source)) run('python3', [join(root, 'tools/oracle/vectors.py'), '--source', source])
  const build = `${folder}-build`
  const settings = Object.entries({ ...always, ...flagsOf[cpu] }).map(([key, value]) => `-D${key}=${value}`)
  run('cmake', ['-S', source, '-B', build, '-G', 'Ninja', ...settings])
  run('cmake', ['--build', build, '--target', ...PROGRAMS])
  mkdirSync(folder, { recursive: true })
  cpSync(join(build, 'bin'), join(folder, 'bin'), { recursive: true })
  rmSync(build, { recursive: true })
  return program
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${error?.message ?? status}`)
}
