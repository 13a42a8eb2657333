/** Where and of what a run was: every figure is worth only as much as this says. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { here, root } from './paths.mjs'

/** Facts of machine, tree and time. */
export function machine() {
  const flags = /^flags\s*:\s*(.*)$/m.exec(quietly(() => readFileSync('/proc/cpuinfo', 'utf8')) ?? '')?.[1]?.split(' ') ?? []
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    instructions: ['avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx_vnni', 'amx_int8'].filter((name) => flags.includes(name)),
    memoryBytes: totalmem(),
    node: process.version,
    commit: git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? ' with changes' : ''),
    load: loadavg()[0],
    date: new Date().toISOString(),
    peer: quietly(() => JSON.parse(readFileSync(`${here}/node_modules/node-llama-cpp/package.json`, 'utf8')).version),
  }
}

/** The facts in two lines. */
export function machineText(facts, { cpu }) {
  return (
    `${facts.processor}, ${facts.cores} cores (${facts.instructions.join(' ')}), ${(facts.memoryBytes / 2 ** 30).toFixed(0)} GiB; ` +
    `load ${facts.load.toFixed(1)} at the start; ${facts.date}\n` +
    `wick ${facts.commit}, WICK_CPU=${cpu === 'avx2' ? 'avx2' : '(unset)'}; node-llama-cpp ${facts.peer ?? '(none)'}; Node ${facts.node}`
  )
}

function git(...args) {
  return spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() || ''
}

function quietly(read) {
  try {
    return read()
  } catch {
    return undefined
  }
}
