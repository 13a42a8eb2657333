//! The pre-tokenizers of byte-level BPE: how a text is cut into words before pairs merge. Adding one is adding a row.

use std::ops::Range;

use regex_automata::Input;
use regex_automata::meta::Regex;
use wick_spec::{Error, Result};

/// One way to cut.
#[derive(Debug)]
pub(crate) struct Row {
    /// What `tokenizer.ggml.pre` calls it. The first name is the one written.
    pub(crate) names: &'static [&'static str],
    /// Each cuts what the one before left, at its matches and between them. As in the models' own `tokenizer.json`.
    pub(crate) regexes: &'static [&'static str],
    /// Whether a word that is a token is taken whole, before any merge.
    pub(crate) ignore_merges: bool,
    /// Whether texts begin with the beginning-of-text token where the file does not say.
    pub(crate) adds_bos: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Every pre-tokenizer wick knows, under every name that files use for it.
pub(crate) const ROWS: &[Row] = &[
    Row {
        names: &["gpt-2", "phi-2", "gigachat", "mellum", "exaone4", "olmo", "mpt", "jais", "trillion"],
        regexes: &[GPT2],
        ignore_merges: false,
        adds_bos: false,
    },
    Row {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "midm-2.0", "lfm2"],
        regexes: &[LLAMA3],
        ignore_merges: true,
        adds_bos: true,
    },
    Row { names: &["smaug-bpe", "dbrx"], regexes: &[LLAMA3], ignore_merges: false, adds_bos: false },
    Row {
        names: &["qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "solar-open"],
        regexes: &[QWEN2],
        ignore_merges: false,
        adds_bos: false,
    },
    Row {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
        regexes: &[r"\p{N}", GPT2],
        ignore_merges: false,
        adds_bos: false,
    },
    Row { names: &["tekken"], regexes: &[TEKKEN], ignore_merges: true, adds_bos: true },
    // What files get that name none: older than the key.
    Row {
        names: &["default"],
        regexes: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
        ignore_merges: false,
        adds_bos: false,
    },
];

/// The row of that name; `unsupported` with the known names otherwise.
pub(crate) fn row(name: &str) -> Result<&'static Row> {
    ROWS.iter().find(|row| row.names.contains(&name)).ok_or_else(|| {
        let known: Vec<_> = ROWS.iter().flat_map(|row| row.names).copied().collect();
        Error::unsupported(format!(
            "The pre-tokenizer {name:?} (tokenizer.ggml.pre) is not known; known are {}.",
            known.join(", ")
        ))
    })
}

/// How most of the expressions end: white space but its last character, if a word follows, for that belongs to the word.
const LAST_SPACE: &str = r"|\s+(?!\S)|\s+";

/// A row's regexes, compiled.
#[derive(Debug)]
pub(crate) struct Splitter(Vec<Cut>);

/// One expression. Its look-ahead is done by hand, so that an automaton can run it, in linear time and without a stack.
#[derive(Debug)]
struct Cut {
    /// Pattern 0 is the expression; pattern 1 is white space whose last character may belong to what follows.
    regex: Regex,
}

impl Splitter {
    pub(crate) fn new(row: &Row) -> Result<Self> {
        let cuts: Result<Vec<_>> = row.regexes.iter().map(|regex| Cut::new(regex)).collect();
        cuts.map(Self).map_err(|e| e.context(row.names[0]))
    }

    /// The words of `text` in order; together they are the text.
    pub(crate) fn split(&self, text: &str) -> Vec<Range<usize>> {
        let mut words: Vec<_> = std::iter::once(0..text.len()).collect();
        for cut in &self.0 {
            let mut next = Vec::with_capacity(words.len() + text.len() / 4);
            for word in words {
                cut.split(text, word, &mut next);
            }
            words = next;
        }
        words
    }
}

impl Cut {
    fn new(regex: &str) -> Result<Self> {
        let built = match regex.strip_suffix(LAST_SPACE) {
            Some(head) => Regex::new_many(&[head, r"\s+"]),
            None => Regex::new(regex),
        };
        built.map(|regex| Self { regex }).map_err(|e| Error::internal(format!("pre-tokenizer: {e}")))
    }

    fn split(&self, text: &str, word: Range<usize>, out: &mut Vec<Range<usize>>) {
        let part = &text[word.clone()];
        let (mut done, mut from) = (0, 0);
        let mut push = |range: Range<usize>| {
            out.extend((!range.is_empty()).then_some(word.start + range.start..word.start + range.end))
        };
        while from < part.len() {
            let Some(found) = self.regex.find(Input::new(part).range(from..)) else { break };
            let mut end = found.end();
            if found.pattern().as_usize() == 1 && end < part.len() {
                let last = part[..end].chars().next_back().map_or(0, char::len_utf8);
                // A single one is a word of its own.
                end = if end - last > found.start() { end - last } else { end };
            }
            push(done..found.start());
            push(found.start()..end);
            done = end;
            from = if end > found.start() { end } else { end + part[end..].chars().next().map_or(1, char::len_utf8) };
        }
        push(done..part.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
        Splitter::new(row(name).unwrap()).unwrap().split(text).into_iter().map(|word| &text[word]).collect()
    }

    #[test]
    fn rows_differ_where_their_models_do() {
        assert_eq!(words("gpt-2", "it's 1234  x"), ["it", "'s", " 1234", " ", " x"]);
        assert_eq!(words("llama-bpe", "it'S 1234\n\nx"), ["it", "'S", " ", "123", "4", "\n\n", "x"]);
        assert_eq!(words("qwen2", "a 12"), ["a", " ", "1", "2"]);
        assert_eq!(words("smollm", "a 12"), ["a", " ", "1", "2"]);
        assert_eq!(words("default", "a 12345"), ["a", " ", "123", "45"]);
    }

    #[test]
    fn an_unknown_name_is_unsupported_and_says_what_is_known() {
        let error = row("quen9").unwrap_err();
        assert_eq!(error.code(), wick_spec::Code::Unsupported);
        assert!(error.message().contains("\"quen9\"") && error.message().contains("llama-bpe"), "{error}");
    }

    #[test]
    fn every_row_compiles_and_long_runs_are_linear() {
        let long = format!("{}x{}", " ".repeat(1 << 21), "\n ".repeat(1 << 16));
        for row in ROWS {
            let words = Splitter::new(row).unwrap().split(&long);
            assert_eq!(words.iter().map(Range::len).sum::<usize>(), long.len(), "{:?}", row.names);
        }
    }
}
