/** The process's environment and machine, as far as others need to know them. */
import { arch, env, platform, report } from 'node:process'

/** Sets environment variables. In a worker with an environment of its own it reaches the worker only. */
export function setEnvironment(values: Readonly<Record<string, string>>): void {
  Object.assign(env, values)
}

/** The platform as package names spell it: `linux-x64-gnu`, `darwin-arm64`. */
export function platformName(): string {
  return platform === 'linux' ? `linux-${arch}-${usesGlibc() ? 'gnu' : 'musl'}` : `${platform}-${arch}`
}

function usesGlibc(): boolean {
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime !== undefined
}
