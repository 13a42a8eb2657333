//! A request's sampler: the texts among its options become tokens of this model.

use std::collections::HashSet;
use std::sync::Arc;

use wick_sample::{Breakers, Sampler, Spelling, Texts};
use wick_spec::{Error, Result, Sampling};
use wick_text::{Control, Tokenizer};

/// Most texts that an option may list.
const MOST_TEXTS: usize = 256;

/// What the tokens of a model spell.
#[derive(Debug)]
struct Spelled(Arc<Tokenizer>);

impl Spelling for Spelled {
    fn bytes(&self, id: u32) -> &[u8] {
        self.0.token_bytes(id).unwrap_or_default()
    }
}

/// The sampler of one sequence over `vocab` logits.
pub(crate) fn sampler(options: &Sampling, tokenizer: &Arc<Tokenizer>, vocab: usize) -> Result<Sampler> {
    check_texts("bannedTokens", &options.banned_texts)?;
    check_texts("drySequenceBreakers", &options.dry.breakers)?;
    let banned = banned(&options.banned_texts, tokenizer)?;
    let breakers = Some(Breakers::new(&options.dry.breakers, Arc::new(Spelled(tokenizer.clone()))));
    Sampler::with_texts(options, vocab, Texts { banned, breakers })
}

/// Every token that spells one of the texts exactly; control tokens are spelled by their names. `invalid-request` for a text
/// that no token spells.
fn banned(texts: &[String], tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: HashSet<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let ids: Vec<u32> = ids(tokenizer).filter(|(_, bytes)| wanted.contains(bytes)).map(|(id, _)| id).collect();
    let found: HashSet<&[u8]> = ids.iter().filter_map(|&id| tokenizer.token_bytes(id)).collect();
    if let Some(text) = texts.iter().find(|text| !found.contains(text.as_bytes())) {
        let tokens = tokenizer.encode(text, Control::AsText, false).map_or(0, |ids| ids.len());
        return Err(Error::invalid_request(format!(
            "bannedTokens has a text of {} bytes that is {tokens} tokens of this model; only a text that is one token can be \
             banned. A word in the middle of a text often begins with a space.",
            text.len()
        )));
    }
    Ok(ids)
}

fn ids(tokenizer: &Tokenizer) -> impl Iterator<Item = (u32, &[u8])> {
    (0..tokenizer.vocab_size() as u32).filter_map(|id| Some((id, tokenizer.token_bytes(id)?)))
}

fn check_texts(option: &str, texts: &[String]) -> Result<()> {
    if texts.len() > MOST_TEXTS || texts.iter().any(String::is_empty) {
        return Err(Error::invalid_request(format!("{option} takes up to {MOST_TEXTS} texts, none of them empty.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::path::Path;
    use wick_spec::{Code, Dry};
    use wick_weights::OpenOptions;
    use wick_weights::gguf::File;

    fn tokenizer(name: &str) -> Arc<Tokenizer> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../text/tests/fixtures").join(format!("{name}.gguf"));
        let options = OpenOptions { vocab_only: true, ..OpenOptions::default() };
        Arc::new(Tokenizer::from_gguf(File::open(&path, &options).unwrap().metadata()).unwrap())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_banned_text_is_every_token_that_spells_it() {
        for name in ["gpt-2", "spm"] {
            let tokenizer = tokenizer(name);
            for text in [" the", "a", "\n"] {
                let ids = banned(&texts(&[text]), &tokenizer).unwrap();
                assert!(!ids.is_empty());
                assert!(ids.iter().all(|&id| tokenizer.token_bytes(id) == Some(text.as_bytes())), "{name} {text:?}");
            }
            for wrong in ["no such single token", ""] {
                let options = Sampling { banned_texts: texts(&["a", wrong]), ..Sampling::default() };
                let error = sampler(&options, &tokenizer, tokenizer.vocab_size()).unwrap_err();
                assert_eq!(error.code(), Code::InvalidRequest);
                assert!(error.message().starts_with("bannedTokens"), "{error}");
            }
        }
    }

    /// What a sampler lowers after a text that was said twice and begins a third time, with and without a breaker inside.
    #[test]
    fn breakers_are_found_however_a_text_is_cut() {
        for name in ["gpt-2", "spm"] {
            let tokenizer = tokenizer(name);
            let lowered = |said: &str, breakers: &[&str]| {
                let dry = Dry { multiplier: 9.0, allowed_length: 3, breakers: texts(breakers), ..Dry::default() };
                let options = Sampling { temperature: 0.0, dry, ..Sampling::default() };
                let mut sampler = sampler(&options, &tokenizer, tokenizer.vocab_size()).unwrap();
                let ids = tokenizer.encode(said, Control::AsText, false).unwrap();
                ids.iter().for_each(|&id| sampler.accept(id));
                // The token that came next the first time is the most probable, until it is lowered.
                let next = *ids.iter().rfind(|&&id| tokenizer.token_bytes(id) == Some(b"\n")).unwrap();
                let mut logits = vec![0.0; tokenizer.vocab_size()];
                logits[next as usize] = 1.0;
                sampler.sample(&mut logits).unwrap().id != next
            };
            let said = "\nzero one two three, four five six, seven eight".repeat(2);
            assert!(lowered(&said, &[]), "{name}: without breakers the repetition is seen");
            assert!(lowered(&said, &["###"]), "{name}: a breaker that is not there breaks nothing");
            assert!(!lowered(&said, &["eight"]), "{name}: one that ends the text leaves nothing to repeat");
            assert!(!lowered(&said, &["seven eig"]), "{name}: nor does one that is several tokens");
        }
    }

    #[test]
    fn texts_are_bounded() {
        let tokenizer = tokenizer("gpt-2");
        for (breakers, says) in
            [(texts(&["a", ""]), "none of them empty"), (vec!["a".repeat(41)], "41 bytes"), (vec!["a".into(); 257], "256")]
        {
            let options = Sampling { dry: Dry { breakers, ..Dry::default() }, ..Sampling::default() };
            let error = sampler(&options, &tokenizer, tokenizer.vocab_size()).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest);
            assert!(error.message().contains(says), "{error}");
        }
    }
}
