import { describe, expect, it } from 'vitest'
import { check } from './tree.js'

const run = (rust: string) => check('check-napi-guards.mjs', { 'crates/node/lib.rs': rust })

const guarded = '#[napi(catch_unwind)]\npub fn guarded() {}\n'

const good = [
  { title: 'functions', rust: guarded },
  { title: 'methods and constructors', rust: '#[napi]\nimpl A {\n  #[napi(constructor, catch_unwind)]\n  pub fn new() -> Self { A }\n  #[napi(catch_unwind, ts_return_type = "A[]")]\n  pub fn a(&self) {}\n}' },
  { title: 'what is no function', rust: `${guarded}#[napi]\npub struct A;\n#[napi(object)]\n#[derive(Clone)]\npub struct B { pub a: u32 }\n#[napi(discriminant = "type")]\npub enum C { A }\n#[napi]\npub const D: u32 = 1;` },
  { title: 'other attributes and documentation between', rust: '#[napi(catch_unwind)]\n/// What it does.\n#[allow(clippy::needless_pass_by_value)]\npub(crate) unsafe fn a() {}' },
  { title: 'an attribute in a comment', rust: `${guarded}// #[napi]\nfn a() {}` },
]

const bad = [
  { title: 'a function', rust: '\n#[napi]\npub fn bare() {}', complaint: 'crates/node/lib.rs:2: bare is not guarded: write #[napi(catch_unwind)]' },
  { title: 'a method', rust: '#[napi]\nimpl A {\n  #[napi(getter)]\n  pub fn b(&self) {}\n}', complaint: 'crates/node/lib.rs:3: b is not guarded: write #[napi(catch_unwind)]' },
  { title: 'a constructor', rust: '#[napi(constructor)]\npub fn new() {}', complaint: 'crates/node/lib.rs:1: new is not guarded: write #[napi(catch_unwind)]' },
  { title: 'a guard in a string', rust: '#[napi(ts_return_type = "catch_unwind")]\npub fn a() {}', complaint: 'crates/node/lib.rs:1: a is not guarded: write #[napi(catch_unwind)]' },
  { title: 'an async function', rust: '#[napi(catch_unwind)]\npub async fn a() {}', complaint: 'crates/node/lib.rs:1: a is async: its panics are not caught, and the addon has no runtime' },
  { title: 'a function of the loading', rust: '#[module_init]\nfn a() {}', complaint: 'crates/node/lib.rs:1: a runs when the addon loads, where no panic is caught' },
  { title: 'an addon without functions', rust: '', complaint: 'crates/node:1: has no function of napi; this check looks in the wrong place' },
]

describe('the panic guards', () => {
  it.each(good)('are found on $title', ({ rust }) => {
    expect(run(rust)).toEqual({ code: 0, complaints: [] })
  })

  it.each(bad)('are missed on $title', ({ rust, complaint }) => {
    const { code, complaints } = run(rust)
    expect(code).toBe(1)
    expect(complaints).toContain(complaint)
  })
})
