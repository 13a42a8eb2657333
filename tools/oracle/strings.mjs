// Seeded strings of all that tokenizers tell apart: code, scripts, digits, contractions, white space, marks, emoji, odd code points.

/** SplitMix64 (Steele et al. 2014): numbers below `n`. */
export function random(seed) {
  let state = BigInt(seed)
  return (n) => {
    state = (state + 0x9e3779b97f4a7c15n) & 0xffff_ffff_ffff_ffffn
    let z = state
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & 0xffff_ffff_ffff_ffffn
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & 0xffff_ffff_ffff_ffffn
    return Number((z ^ (z >> 31n)) % BigInt(n))
  }
}

// A part of a string is drawn from one of these lists. A list of the same character is drawn as a run.
const words = ['the', 'The', 'THE', 'Hello', 'world', 'camelCase', 'HTTPServer', 'iPhone', 'x', 'É', 'été', 'Größe', 'naïve', 'ÀÉÎ', 'o\u0301', 'e\u0301\u0323a']
const scripts = ['Привет', 'мир', 'ΑΒγδ', 'ქართული', 'Ⴀⴀ', 'ᎣᏏᏲ', 'Հայ', 'שָׁלוֹם', 'مرحبا', 'مُحَمَّد', 'नमस्ते', 'বাংলা', 'ไทยภาษา', 'ລາວ', 'မြန်မာ', 'ភាសា', 'አማርኛ', 'தமிழ்']
const asian = ['你好', '世界，', '漢字', '東京タワー', 'ひらがな', 'カタカナ', 'ﾊﾝｶｸ', 'ㄅㄆㄇ', '안녕하세요', '한', 'ㅋㅋ', '\u1112\u1161\u11ab', '々〇', '㐀', '\u{20000}\u{2a6d6}', '\u{30000}', '豈', '\u{2f800}', '⼀', 'ꥠ', 'ꓐ']
const contractions = ["'s", "'S", "'t", "'re", "'RE", "'Ve", "'m", "'ll", "'lL", "'d", "'D", "'x", "''s", '’s', "'ſ", "it's", "I'LL", "they're", "O'Neil", "'"]
const digits = ['0', '7', '12', '123', '1234', '12345', '1234567', '1,234.5', '3.14', '٣٤٥', '१२३४', '０１２３', '²', '½', 'Ⅷ', '①', '1٣2', '\u{1d7d9}\u{1d7da}']
const code = ['def f(x):', 'for (int i=0;', 'a->b', '!=', '===', '"quoted"', '<div class="x">', '// note', '#include', '{', '}', '();', '[i]', '`x`', '$x', '\\n', '%d', '@a_b', 'https://e.org/a?b=1&c', '/* */', '/', '~^|', '...', '--', '(a', '_x']
const marks = ['\u0301', '\u0308\u0301', '\u0941', '\u20dd', '\ufe0f', '\u0e31', '\u064b', '\u3099', ' \u0301', '\u200d', '\u200b', '\u00ad']
const emoji = ['🦊', '👩‍🚀', '👍🏽', '🇩🇪', '❤️', '🙂🙂', '1️⃣', '🏴\u{e0067}\u{e0062}\u{e007f}', '☃', '→', '∑', '€', '©']
const spaces = [' ', ' ', '  ', '   ', '        ', '\t', '\t\t', ' \t ', '\u00a0', '\u3000', '\u2003', '\u2009 ', '\u0085', '\u1680', '\u202f', '\u2028', '\u000b', '\f']
const lines = ['\n', '\n\n', '\r\n', '\r', ' \n', '\n ', '  \n\n  ', '\n\n\n\n', '\n\t', '\n\r\n', '/\n']
const odd = ['ǅ', 'ʰ', 'ª', 'ƻ', 'ǀ', 'K', 'ſ', 'İ', 'ß', 'ﬁ', '\u{1d400}', '\u{10400}', '\ue000', '\u0378', '\u0001', '\u007f', '\ufeff', '\u061c', '¿', '«', '…', '‘a’', '“', '。', '、', '！', '｀', '।', '۔', '܀', '﹏', '￥', '＋', '\u2160', '\u{1f000}', '\u{e0100}']
const runs = [' ', '\n', '\t', '0', '7', 'a', 'A', '-', '=', '你', '\u0301', '!', '\u3000']
const kinds = [words, words, scripts, asian, contractions, digits, code, marks, emoji, spaces, spaces, lines, odd]

const assigned = /^\p{Assigned}$/u

/** `count` strings; the same ones for the same seed. */
export function strings(seed, count) {
  const below = random(seed)
  const pick = (list) => list[below(list.length)]
  const anyCharacter = () => {
    // Half of them of the first 0x3000, where most scripts are.
    const point = below(2) ? below(0x3000) : below(0x110000)
    const text = point >= 0xd800 && point < 0xe000 ? ' ' : String.fromCodePoint(point)
    return point > 0 && assigned.test(text) ? text : ' '
  }
  const part = () => {
    const kind = below(kinds.length + 3)
    if (kind < kinds.length) return pick(kinds[kind])
    if (kind === kinds.length) return pick(runs).repeat(1 + below(20))
    return kind === kinds.length + 1 ? anyCharacter() : ' ' + pick(words)
  }
  return Array.from({ length: count }, () => Array.from({ length: 1 + below(14) }, part).join(''))
}
