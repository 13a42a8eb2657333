/** What a token costs on its way from the engine's thread to JavaScript, beside the least it can: a bare callback from C++. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { environment, ownChild } from '../engines/engine.mjs'
import { compiled } from '../native/compile.mjs'
import { here } from '../paths.mjs'
import { median } from '../pure/statistics.mjs'

/**
 * @param {import('../run.mjs').Run} run
 * @param {string} model path of a small model
 */
export async function crossing(run, model) {
  const { under, rounds, seconds } = run.options
  const modules = join(here, 'node_modules')
  const flags = ['-shared', '-fPIC', `-I${modules}/node-addon-api`, `-I${modules}/node-api-headers/include`, '-DNAPI_VERSION=9', '-DNODE_GYP_MODULE_NAME=floor', '-DNAPI_CPP_EXCEPTIONS']
  const floor = compiled('floor', flags, '.node')
  const [command, ...args] = [...under, process.execPath, join(here, 'engines/crossing.mjs'), model, floor, String(rounds), String(seconds)]
  const { found, latency, stepMs } = JSON.parse(await output(command, args, environment(run.options)))
  for (const burst of [1, 16]) {
    for (const way of new Set(found.map((one) => one.way))) {
      const rounds = found.filter((one) => one.way === way && one.burst === burst)
      const values = rounds.map(({ us }) => us)
      // JSON has no NaN: null is of a way that does not know.
      const tokensPerBurst = median(rounds.map((one) => one.tokensPerBurst ?? NaN))
      const about = { measure: `crossing CPU, ${burst} a burst`, unit: 'µs', threads: 1 }
      run.add({ ...about, engine: way, values, median: median(values), stepMs, tokensPerBurst })
      run.progress(about, way, undefined, median(values))
    }
  }
  for (const { way, loop, median, p99 } of latency) {
    run.add({ measure: `crossing latency, ${loop}`, unit: 'µs', threads: 1, engine: way, values: [median], median, p99 })
  }
}

function output(command, args, env) {
  return new Promise((resolve, reject) => {
    const child = ownChild(spawn(command, args, { stdio: ['ignore', 'pipe', 2], env }))
    const chunks = []
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (status, signal) => (status === 0 ? resolve(Buffer.concat(chunks).toString()) : reject(new Error(`${args[0]} ended with ${signal ?? status}`))))
  })
}
