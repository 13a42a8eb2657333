/** What `bin/wick.js` starts. */
import * as face from '../index.js'
import { processIo } from './io.js'
import { main } from './main.js'

// Not process.exit: what is still on its way to a pipe must arrive.
process.exitCode = await main(process.argv.slice(2), processIo(face))
