//! Whose sessions a loaded model takes: its own.

use wick_compute::{BLOCK, Group};
use wick_spec::{Error, Result};

use super::{Fingerprint, Identity, Saved};

/// What a saved session must agree with.
pub(crate) struct Keeper {
    pub identity: Identity,
    /// Who keeps keys and values, and how.
    pub kv: String,
    pub groups: Vec<Group>,
    /// Rows of the output matrix.
    pub vocab: usize,
}

impl Keeper {
    /// `invalid-request` when the session is of another model, or of one that was loaded otherwise; the message says which.
    pub(crate) fn check(&self, saved: &Saved, fingerprint: Fingerprint) -> Result<()> {
        if saved.fingerprint != fingerprint {
            return Err(Error::invalid_request(format!(
                "The session belongs to another model ({}; this one is {fingerprint}). Restore it with the model that saved it, loaded \
                 from the same files, with the same metadata and quantize.",
                saved.fingerprint
            )));
        }
        if saved.kv != self.kv {
            return Err(Error::invalid_request(format!(
                "The session's keys and values are of {:?}, this model's are of {:?}. Load it with the same backend, device and kvType.",
                saved.kv, self.kv
            )));
        }
        let same = |(saved, own): (&super::SavedGroup, &Group)| saved.window == own.window && saved.block == own.block;
        let all = saved.kept.div_ceil(BLOCK);
        let whole = |group: &super::SavedGroup| group.window.is_some() || group.present == (0..all);
        let fits = saved.groups.len() == self.groups.len() && saved.groups.iter().zip(&self.groups).all(same);
        if !fits || !saved.groups.iter().all(whole) || saved.tokens.is_empty() {
            return Err(Error::invalid_request(
                "The session's keys and values do not lie as this wick keeps them; save it again.",
            ));
        }
        match saved.tokens.iter().find(|&&id| id as usize >= self.vocab) {
            Some(id) => {
                Err(Error::invalid_request(format!("Token {id} is not in the model's vocabulary of {}.", self.vocab)))
            }
            None => Ok(()),
        }
    }
}
