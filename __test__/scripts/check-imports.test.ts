import { describe, expect, it } from 'vitest'
import { check, type Tree } from './tree.js'

const run = (tree: Tree) => check('check-imports.mjs', tree)

const manifest = (...dependencies: string[]) => ['[package]', 'name = "x"', '', '[dependencies]', ...dependencies].join('\n')

const good: Array<{ title: string; tree: Tree }> = [
  { title: 'an empty tree', tree: {} },
  {
    title: 'crates that use those above them, and testkit in tests',
    tree: {
      'crates/spec/Cargo.toml': manifest(),
      'crates/weights/Cargo.toml': manifest('half.workspace = true', 'wick-spec.workspace = true'),
      'crates/sample/Cargo.toml': manifest('wick-spec = { path = "../spec" }', '[dev-dependencies]', 'wick-testkit.workspace = true'),
      'crates/testkit/Cargo.toml': manifest('wick-weights.workspace = true'),
      'Cargo.toml': '[workspace.dependencies]\ncandle-core = "1"\n[dependencies]\nnapi = "3"\nwick-engine.workspace = true\n[build-dependencies]\nnapi-build = "2"',
      'build.rs': 'fn main() { napi_build::setup() }',
    },
  },
  {
    title: 'what is kept, where it is kept',
    tree: {
      'crates/compute/Cargo.toml': manifest('candle-core = { workspace = true, optional = true }'),
      'crates/compute/src/candle/mod.rs': 'use candle_core::Tensor;',
      'crates/models/src/vision/clip.rs': 'use candle_transformers::models::clip;',
      'crates/text/Cargo.toml': manifest('tokenizers.workspace = true', 'minijinja-contrib.workspace = true'),
      'crates/text/src/lib.rs': 'use tokenizers::Tokenizer;\nfn f() { minijinja::Environment::new(); }',
      'crates/node/lib.rs': 'use napi_derive::napi;',
    },
  },
  {
    title: 'names in comments and strings of Rust, and modules of ours that are called so',
    tree: {
      'crates/engine/src/lib.rs': '//! Not `use candle_core::Tensor;`\n/* napi::Env */\nconst A: &str = "candle_core::Tensor";\nuse crate::candle::napi::X;\nlet c = \'"\'; // candle_nn::ops',
    },
  },
  {
    title: 'rooms that import those above them',
    tree: {
      'src/index.ts': "export { generate } from './generate/index.js'\nexport type { A } from './spec/index.js'",
      'src/spec/index.ts': "export type * from './a.js'",
      'src/spec/a.ts': "import type { B } from './b.js'\nexport interface A { b: B }\nexport type C = A\nexport declare const d: unique symbol",
      'src/platform/files.ts': "import { join } from 'node:path'",
      'src/local/addon.ts': "import type * as native from '../../index.js'\nexport const open = () => import('../../index.js')",
      'src/generate/generate.ts': "import { load } from '../local/index.js'\nimport zod from 'zod'",
      'src/agent/agent.ts': "import { generate } from '../generate/index.js'\nimport { memory } from '../memory/index.js'\nimport { mcp } from './mcp/stdio.js'",
      'src/cli/main.ts': "import { load } from '../index.js'\nimport { argv } from 'node:process'",
    },
  },
  {
    title: 'protocols that share through files of the room',
    tree: { 'src/protocols/openai-chat/request.ts': "import { a } from './chunk.js'\nimport { b } from '../protocol.js'" },
  },
  {
    title: 'imports in comments and strings of TypeScript',
    tree: {
      'src/errors/index.ts': "// import { x } from '../local/index.js'\n/*\nimport 'node:fs'\n*/\nconst help = \"import 'node:fs'\"\nconst url = 'https://x' // import('node:fs')",
    },
  },
]

const bad: Array<{ title: string; tree: Tree; complaint: RegExp }> = [
  {
    title: 'a crate that uses one below it',
    tree: { 'crates/text/Cargo.toml': manifest('wick-spec.workspace = true', 'wick-engine.workspace = true') },
    complaint: /^crates\/text\/Cargo\.toml:6: text uses engine, which is not above it/,
  },
  {
    title: 'a crate that uses one below it in its tests, under another name, for one platform',
    tree: { 'crates/spec/Cargo.toml': "[target.'cfg(unix)'.dev-dependencies]\nx = { package = \"wick-text\", path = \"../text\" }" },
    complaint: /^crates\/spec\/Cargo\.toml:2: spec uses text/,
  },
  {
    title: 'a crate that uses one below it by a table of its own',
    tree: { 'crates/spec/Cargo.toml': '[dependencies.wick-text]\npath = "../text"' },
    complaint: /^crates\/spec\/Cargo\.toml:1: spec uses text/,
  },
  { title: 'testkit outside tests', tree: { 'crates/engine/Cargo.toml': manifest('wick-testkit.workspace = true') }, complaint: /:5: engine uses testkit outside its tests/ },
  { title: 'napi outside node', tree: { 'crates/engine/Cargo.toml': manifest('napi = "3"') }, complaint: /:5: engine uses napi; napi belongs to node alone/ },
  { title: 'candle in the engine', tree: { 'crates/engine/Cargo.toml': manifest('candle-nn = "0.11"') }, complaint: /:5: engine uses candle-nn; candle belongs to compute and models alone/ },
  { title: 'tokenizers in models', tree: { 'crates/models/Cargo.toml': manifest('tokenizers = "0.23"') }, complaint: /tokenizers belongs to text alone/ },
  { title: 'minijinja in node', tree: { 'Cargo.toml': manifest('minijinja = "3"') }, complaint: /^Cargo\.toml:5: node uses minijinja/ },
  { title: 'HTTP in the engine', tree: { 'crates/engine/Cargo.toml': manifest('ureq = "3"') }, complaint: /HTTP belongs to hub alone/ },
  {
    title: 'candle in another folder of compute',
    tree: { 'crates/compute/src/reference/mod.rs': '//! x\n\nuse candle_core::Tensor;' },
    complaint: /^crates\/compute\/src\/reference\/mod\.rs:3: candle is used outside crates\/compute\/src\/candle,/,
  },
  { title: 'candle in a path', tree: { 'crates/models/src/decoder/mod.rs': 'fn f() -> candle_core::Result<()> {}' }, complaint: /mod\.rs:1: candle is used outside/ },
  { title: 'a crate in no list', tree: { 'crates/util/src/lib.rs': '' }, complaint: /^crates\/util:1: has no place/ },
  { title: 'a room in no list', tree: { 'src/common/index.ts': '' }, complaint: /^src\/common:1: has no place/ },
  { title: 'a room that imports one below it', tree: { 'src/stream/run.ts': "\nimport type { X } from '../local/index.js'" }, complaint: /^src\/stream\/run\.ts:2: stream imports local, which is below it/ },
  { title: 'an import over several lines', tree: { 'src/errors/a.ts': "import {\n  a,\n  type B,\n} from '../stream/index.js'" }, complaint: /^src\/errors\/a\.ts:4: errors imports stream/ },
  { title: 'an export from a room below', tree: { 'src/errors/a.ts': "export * from '../stream/index.js'" }, complaint: /errors imports stream/ },
  { title: 'a dynamic import of a room below', tree: { 'src/errors/a.ts': "const a = await import('../stream/index.js')" }, complaint: /errors imports stream/ },
  { title: 'an import for its effect', tree: { 'src/errors/a.ts': "import '../stream/index.js'" }, complaint: /errors imports stream/ },
  { title: "Node's modules in a room that may not", tree: { 'src/generate/a.ts': "import { join } from 'node:path'" }, complaint: /a\.ts:1: generate imports node:path; Node's modules belong to platform, http, local, server, cli/ },
  { title: "Node's modules without node:", tree: { 'src/generate/a.ts': "import fs from 'fs/promises'" }, complaint: /generate imports fs\/promises/ },
  { title: "Node's modules in the public surface", tree: { 'src/index.ts': "export { join } from 'node:path'" }, complaint: /src imports node:path/ },
  { title: 'the addon in another room', tree: { 'src/generate/a.ts': "import type { X } from '../../index.js'" }, complaint: /generate imports the addon; only local may/ },
  { title: 'the addon in the public surface', tree: { 'src/index.ts': "export { machine } from '../index.js'" }, complaint: /src imports the addon/ },
  { title: 'the addon loaded before it is used', tree: { 'src/local/a.ts': "import { machine } from '../../index.js'" }, complaint: /the addon is loaded on first use/ },
  { title: 'something else outside src', tree: { 'src/local/a.ts': "import x from '../../package.json'" }, complaint: /local imports package\.json, outside src/ },
  { title: 'a value in spec', tree: { 'src/spec/a.ts': 'export type A = 1\nexport const a = 1' }, complaint: /^src\/spec\/a\.ts:2: spec holds types only/ },
  { title: 'a class in spec', tree: { 'src/spec/a.ts': 'export abstract class A {}' }, complaint: /spec holds types only/ },
  { title: 'a re-export of values in spec', tree: { 'src/spec/index.ts': "export * from './a.js'" }, complaint: /spec holds types only/ },
  { title: 'an import of a value in spec', tree: { 'src/spec/a.ts': "import { z } from 'zod'" }, complaint: /spec holds types only: this imports/ },
  { title: 'the command line under the surface', tree: { 'src/cli/a.ts': "import { load } from '../local/index.js'" }, complaint: /cli imports local; it stands on the public surface, src\/index\.ts, alone/ },
  { title: 'a room that imports the surface', tree: { 'src/local/a.ts': "import { generate } from '../index.js'" }, complaint: /local imports src\/index\.js, which is made of the rooms/ },
  { title: 'an agent under the verbs', tree: { 'src/agent/a.ts': "import { load } from '../local/index.js'" }, complaint: /agent imports local; it stands on the verbs alone/ },
  { title: 'protocols sideways', tree: { 'src/protocols/a/x.ts': "import { y } from '../b/y.js'" }, complaint: /protocols\/a imports protocols\/b/ },
]

describe('the import rules', () => {
  it.each(good)('let pass $title', ({ tree }) => {
    expect(run(tree)).toEqual({ code: 0, complaints: [] })
  })

  it.each(bad)('refuse $title', ({ tree, complaint }) => {
    const { code, complaints } = run(tree)
    expect(code).toBe(1)
    expect(complaints.filter((line) => complaint.test(line))).not.toEqual([])
  })

  it('tell of everything at once', () => {
    const { complaints } = run({ 'src/errors/a.ts': "import '../stream/a.js'\nimport 'node:fs'", 'crates/spec/Cargo.toml': manifest('napi = "3"') })
    expect(complaints).toHaveLength(3)
  })
})
