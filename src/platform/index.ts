/** Files and environment: `node:` builtins for those who may not import them. */
export { platformName, setDefaultEnvironment } from './environment.js'
export { packageFile } from './files.js'
