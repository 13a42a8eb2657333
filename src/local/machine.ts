/** What the machine has, and what this build can do with it. */
import { openAddon } from './addon.js'
import type { NativeMachine } from './native.js'

/** A report of machine and build. */
export interface MachineInfo {
  /** The widest instruction set the CPU has: `avx512`, `avx2`, `neon` or `scalar`. */
  readonly isa: string
  /** Physical cores this process may use, by affinity; hyper-threads of one core count once. */
  readonly physicalCores: number
  /** Processors this process may keep busy, by affinity and the control group's quota. */
  readonly usableCores: number
  /** Threads a load would compute with now. */
  readonly threads: number
  /** Memory of the machine, or of the control group where that is less. */
  readonly memoryBytes: number
  readonly availableMemoryBytes: number
  /** Devices this build can compute on. */
  readonly devices: readonly string[]
  /** Backends this build has. */
  readonly backends: readonly string[]
  /** Version of the engine. */
  readonly version: string
  /** The addon's file, of those that its loader tries in turn; absent where the system does not say. */
  readonly addon?: string
}

/** Reads the report now; it loads the addon. */
export async function machine(): Promise<MachineInfo> {
  const { machine } = await openAddon()
  const addon = addonFile()
  return { ...(machine() satisfies NativeMachine), ...(addon !== undefined && { addon }) }
}

/** The loader does not tell which file it took, but the process knows what it has mapped. */
function addonFile(): string | undefined {
  const report: unknown = process.report.getReport()
  const objects = (report as { sharedObjects?: readonly string[] }).sharedObjects ?? []
  return objects.find((path) => /[\\/]wick\.[^\\/]*\.node$/.test(path))
}
