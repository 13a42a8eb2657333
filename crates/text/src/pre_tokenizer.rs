//! The pre-tokenizers of byte-level BPE: how a text is cut into words before pairs merge.

mod rows;
mod splitter;

use wick_spec::{Error, Result};

pub(crate) use rows::ROWS;
pub(crate) use splitter::Splitter;

/// One way to cut.
#[derive(Debug)]
pub(crate) struct Row {
    /// What `tokenizer.ggml.pre` calls it. The first name is the one written.
    pub(crate) names: &'static [&'static str],
    /// Each cuts what the one before left.
    pub(crate) cuts: &'static [Cut],
    /// The expressions in the models' own `tokenizer.json`, where they are others than those of `cuts`.
    pub(crate) folder: Option<&'static [&'static str]>,
    /// Whether a word that is a token is taken whole, before any merge.
    pub(crate) ignore_merges: bool,
    /// Whether texts begin with the beginning-of-text token where the file does not say.
    pub(crate) adds_bos: bool,
}

/// Where words end.
#[derive(Debug)]
pub(crate) enum Cut {
    /// At the matches of an expression and between them.
    At(&'static str),
    /// Behind the threes of digits that a number has, counted from its end. What is before a number is cut from it by what comes
    /// next: so llama.cpp groups digits for afmoe and tiny_aya.
    AfterThousands,
    /// Before such threes of ASCII digits (superbpe).
    BeforeThousands,
}

impl Row {
    /// Whether these are the expressions of the models' `tokenizer.json`. Contractions there know every letter whose lower case is
    /// ASCII (`'ſ`), to llama.cpp only those that are ASCII: one spelling stands for both.
    pub(crate) fn is_in_folders_as(&self, expressions: &[&str]) -> bool {
        let spelled = |text: &str| text.replace("(?i:", "(?i-u:").replace('\r', r"\r").replace('\n', r"\n");
        let expressions: Vec<_> = expressions.iter().map(|text| spelled(text)).collect();
        match self.folder {
            Some(folder) => expressions == folder,
            None => {
                expressions.len() == self.cuts.len()
                    && expressions.iter().zip(self.cuts).all(|(text, cut)| matches!(cut, Cut::At(own) if own == text))
            }
        }
    }
}

/// Every pre-tokenizer that wick knows: all the names (`tokenizer.ggml.pre`) of each, the one that is written first.
pub fn pre_tokenizers() -> impl Iterator<Item = &'static [&'static str]> {
    ROWS.iter().map(|row| row.names)
}

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

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn words<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
        Splitter::new(row(name).unwrap()).unwrap().split(text).into_iter().map(|word| &text[word]).collect()
    }

    #[test]
    fn rows_differ_where_their_models_do() {
        for (name, text, expected) in [
            ("gpt-2", "it's 1234  x", &["it", "'s", " 1234", " ", " x"][..]),
            ("llama-bpe", "it'S 1234\n\nx", &["it", "'S", " ", "123", "4", "\n\n", "x"]),
            ("llama-bpe", "it'\u{17F}", &["it", "'\u{17F}"]),
            ("qwen2", "a 12", &["a", " ", "1", "2"]),
            ("qwen2", "नमस्ते", &["नमस", "्त", "े"]),
            ("qwen35", "नमस्ते", &["नमस्ते"]),
            ("smollm", "a 12", &["a", " ", "1", "2"]),
            ("tekken", "camelCase'sÉté", &["camel", "Case", "'sÉté"]),
            ("gpt-4o", "camelCase'LL 1234", &["camel", "Case'LL", " ", "123", "4"]),
            ("deepseek-llm", "if x,\u{3000}y  \n 12", &["if", " x", ",", "\u{3000}y", "  ", "\n", " ", "12"]),
            ("deepseek-coder", "a,b 你 12", &["a", ",", "b", " ", "你", " ", "1", "2"]),
            ("deepseek-v3", "日本1234(ok)", &["日本", "123", "4", "(ok", ")"]),
            ("spark2_5", "a\n\nb", &["a", "\n", "\n", "b"]),
            ("kimi-k2", "漢字かな camelCase'll", &["漢字", "かな", " camelCase'll"]),
            ("falcon", "a `b` 12345", &["a", " ", "`", "b", "`", " ", "123", "45"]),
            ("bloom", "one, two", &["one", ",", " two"]),
            ("viking", "a 12", &["a", " ", "1", "2"]),
            ("superbpe", "by 1234567 km", &["by ", "1", "234", "567", " km"]),
            ("bailingmoe", "a\n\nb", &["a", "\n\n", "b"]),
            ("seed-coder", "a;\n", &["a", ";", "\n"]),
            ("youtu", "안녕，x", &["안녕", "，", "x"]),
            ("afmoe", "a  1234", &["a", " ", " ", "1", "234"]),
            ("tiny_aya", "n 1234's", &["n", " ", "1", "234", "'s"]),
            ("exaone-moe", "a b  c", &["a b", " ", " c"]),
            ("laguna", "a \n b", &["a", " ", "\n", " b"]),
            ("minicpm5", "12345", &["123", "45"]),
            ("jais-2", "a       b", &["a", "    ", "  ", " b"]),
            ("jais-2", "a   ", &["a", "  ", " "]),
            ("ufakzeka", "a'nın", &["a", "'nın"]),
            ("chameleon", "a    bIMGIMGABZ1", &["a", "    ", "b", "IMGIMGABZ", "1"]),
            ("default", "a 12345", &["a", " ", "123", "45"]),
        ] {
            assert_eq!(words(name, text), expected, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_unsupported_and_says_what_is_known() {
        let error = row("quen9").unwrap_err();
        assert_eq!(error.code(), wick_spec::Code::Unsupported);
        assert!(error.message().contains("\"quen9\"") && error.message().contains("llama-bpe"), "{error}");
    }

    #[test]
    fn no_name_is_in_two_rows() {
        let mut names: Vec<_> = ROWS.iter().flat_map(|row| row.names).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_row_compiles_and_long_runs_are_linear() {
        let long = format!("{}x{}{}", " ".repeat(1 << 20), "\n ".repeat(1 << 16), "7".repeat(1 << 16));
        for row in ROWS {
            let words = Splitter::new(row).unwrap().split(&long);
            assert_eq!(words.iter().map(Range::len).sum::<usize>(), long.len(), "{:?}", row.names);
        }
    }
}
