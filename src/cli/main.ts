/** The entry: what `bin/wick.js` starts. */
import * as face from '../index.js'
import { processIo } from './io.js'
import { wick } from './program.js'

// Not process.exit: what is still on its way to a pipe must arrive.
process.exitCode = await wick(process.argv.slice(2), processIo(face))
