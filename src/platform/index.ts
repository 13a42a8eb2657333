/** Files and environment: `node:` builtins for those who may not import them. */
export { platformName, setEnvironment } from './environment.js'
export { packageFile } from './files.js'
