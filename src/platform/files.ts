/** Files of the package itself. */
import { fileURLToPath } from 'node:url'

// Two folders up from `src/platform` and from `dist/platform` alike.
const packageRoot = new URL('../../', import.meta.url)

/** The path of a file that ships in the package, named from its root. */
export function packageFile(name: string): string {
  return fileURLToPath(new URL(name, packageRoot))
}
