/** The process's environment and machine, as far as others need to know them. */
import { arch, env, platform, report } from 'node:process'

/** Sets environment variables that are not set: what the user has set stays. In a worker it reaches the worker only. */
export function setDefaultEnvironment(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) env[name] ??= value
}

/** The platform as package names spell it: `linux-x64-gnu`, `darwin-arm64`. */
export function platformName(): string {
  return platform === 'linux' ? `linux-${arch}-${usesGlibc() ? 'gnu' : 'musl'}` : `${platform}-${arch}`
}

function usesGlibc(): boolean {
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime !== undefined
}
