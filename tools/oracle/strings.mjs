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
// Unicode 16 and 17, by blocks where they are large: llama.cpp's tables end before, so it takes these for no letters.
const recent =
  /[\u{88f}\u{897}\u{c5c}\u{cdc}\u{1acf}-\u{1aeb}\u{1b4e}-\u{1b4f}\u{1b7f}\u{1c89}-\u{1c8a}\u{20c1}\u{2427}-\u{2429}\u{2b96}\u{31e4}-\u{31e5}\u{a7cb}-\u{a7d4}\u{a7da}-\u{a7dc}\u{a7f1}\u{fbc3}-\u{fbd2}\u{fd90}-\u{fd91}\u{fdc8}-\u{fdce}\u{105c0}-\u{105f3}\u{10940}-\u{10959}\u{10d40}-\u{10d8f}\u{10ec2}-\u{10efc}\u{11380}-\u{113e2}\u{116d0}-\u{116e3}\u{11b60}-\u{11bf9}\u{11db0}-\u{11de9}\u{11f5a}\u{13460}-\u{143fa}\u{16100}-\u{16139}\u{16d40}-\u{16d79}\u{16ea0}-\u{16ed3}\u{16ff2}-\u{16ff6}\u{187f8}-\u{187ff}\u{18cff}-\u{18df2}\u{1cc00}-\u{1cef0}\u{1e5d0}-\u{1e5ff}\u{1e6c0}-\u{1e6ff}\u{1f6d8}\u{1f777}-\u{1f77a}\u{1f8b2}-\u{1f8d8}\u{1fa54}-\u{1fa57}\u{1fa89}-\u{1faef}\u{1fbcb}-\u{1fbfa}\u{2b73a}-\u{2b73f}\u{2cea2}-\u{2cead}\u{323b0}-\u{33479}]/u

/** `count` strings; the same ones for the same seed. */
export function strings(seed, count) {
  const below = random(seed)
  const pick = (list) => list[below(list.length)]
  const anyCharacter = () => {
    // Half of them of the first 0x3000, where most scripts are.
    const point = below(2) ? below(0x3000) : below(0x110000)
    const text = point >= 0xd800 && point < 0xe000 ? ' ' : String.fromCodePoint(point)
    return point > 0 && assigned.test(text) && !recent.test(text) ? text : ' '
  }
  const part = () => {
    const kind = below(kinds.length + 3)
    if (kind < kinds.length) return pick(kinds[kind])
    if (kind === kinds.length) return pick(runs).repeat(1 + below(20))
    return kind === kinds.length + 1 ? anyCharacter() : ' ' + pick(words)
  }
  return Array.from({ length: count }, () => Array.from({ length: 1 + below(14) }, part).join(''))
}
