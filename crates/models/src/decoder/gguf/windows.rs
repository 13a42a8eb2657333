//! The windows of a GGUF file.

use wick_spec::{Result, Warning};
use wick_weights::gguf::Value;

use crate::decoder::family::Family;
use crate::decoder::sizes::Sizes;
use crate::decoder::window::{Windows, all_but};
use crate::facts::{Facts, GgufFacts};

/// Tokens of a window, and the layers that have it: one truth value each, or n for all but every n-th.
pub(crate) const SIZE: &str = "attention.sliding_window";
pub(crate) const MARKS: &str = "attention.sliding_window_pattern";

/// Marks for each layer are applied in every family: `wick convert` writes them. A size alone says which layers have it only in
/// families whose pattern is known; llama.cpp leaves it out in the others.
pub(super) fn windows(facts: &GgufFacts<'_>, sizes: &Sizes, family: &Family) -> Result<(Windows, Option<Warning>)> {
    let (size_key, marks_key) = (facts.spelled(SIZE), facts.spelled(MARKS));
    let said = facts.count(SIZE)?;
    let size = said.or(family.gguf_windows.and_then(|rule| rule.size)).unwrap_or(0);
    let marks = match facts.metadata.get(&marks_key) {
        Some(Value::Array(_)) => facts.metadata.bools(&marks_key)?.map(<[bool]>::to_vec),
        _ => match (family.gguf_windows, facts.count(MARKS)?) {
            _ if size == 0 => None,
            (Some(rule), n) => Some(all_but(n.unwrap_or(rule.but), sizes.layers)),
            (None, _) => None,
        },
    };
    match marks {
        Some(marks) => Ok((Windows::new(size, marks, sizes.layers, (&size_key, &marks_key))?, None)),
        None if (1..sizes.context).contains(&size) => {
            let message = format!("{size_key:?} {size} is not applied: the file does not say to which layers.");
            Ok((Windows::default(), Some(Warning { message })))
        }
        None => Ok((Windows::default(), None)),
    }
}
