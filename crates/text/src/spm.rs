//! SentencePiece BPE as llama.cpp runs it: neighbouring symbols merge in the order of the score of what they become.
//!
//! The score belongs to the piece, not to the pair (Kudo & Richardson 2018), so a list of ranked merges cannot say the same when a
//! piece can be made in two ways. Among equal scores the leftmost pair goes first. A heap of candidates keeps it n log n.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};

use wick_spec::{Error, Result};

use crate::vocab::Kind;

const SPACE: char = '▁';
/// Marks the end of the chain of symbols.
const NONE: u32 = u32::MAX;

/// The pieces text can become.
#[derive(Debug)]
pub(crate) struct Spm {
    /// Id and score by text. Control, unknown and byte tokens are not here: no text of a user may add up to one.
    pieces: HashMap<String, (u32, f32)>,
    /// What each byte becomes that no piece covers.
    bytes: Box<[Option<u32>; 256]>,
    /// The characters that a space follows in some piece. Behind any other, nothing merges across a space.
    before_space: HashSet<char>,
}

/// A run of characters; merged away when `end == start`.
struct Symbol {
    start: usize,
    end: usize,
    prev: u32,
    next: u32,
}

/// Two neighbours that make a piece.
struct Candidate {
    score: f32,
    left: u32,
    right: u32,
    /// Length of the piece in bytes: tells a candidate from what its symbols have become since.
    len: usize,
}

impl Spm {
    /// `tokens` in the order of their ids: text as stored (spaces as U+2581), score, kind. `unknown` stands for bytes without a token.
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = (&'a str, f32, Kind)>, unknown: Option<u32>) -> Self {
        let mut pieces = HashMap::new();
        let mut byte_names = HashMap::new();
        for (id, (text, score, kind)) in (0u32..).zip(tokens) {
            if !matches!(kind, Kind::Control | Kind::Unknown | Kind::Byte) && !text.is_empty() {
                // Adding zero makes -0 equal to 0, as a comparison of floats has it.
                pieces.entry(text.to_owned()).or_insert((id, score + 0.0));
            }
            if let Some(byte) = byte_of(text) {
                byte_names.entry(byte).or_insert(id);
            }
        }
        let bytes = Box::new(std::array::from_fn(|byte| {
            let byte = byte as u8;
            let alone =
                || std::str::from_utf8(std::slice::from_ref(&byte)).ok().and_then(|text| pieces.get(text)).map(|p| p.0);
            byte_names.get(&byte).copied().or_else(alone).or(unknown)
        }));
        let pairs = pieces.keys().flat_map(|piece| piece.chars().zip(piece.chars().skip(1)));
        let before_space = pairs.filter(|pair| pair.1 == SPACE).map(|pair| pair.0).collect();
        Self { pieces, bytes, before_space }
    }

    /// Appends the ids of `text`. `prefix` puts a space in front.
    pub(crate) fn encode(&self, text: &str, prefix: bool, out: &mut Vec<u32>) -> Result<()> {
        let mut escaped = String::with_capacity(text.len() + text.len() / 4);
        if prefix {
            escaped.push(SPACE);
        }
        escaped.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
        let mut rest = escaped.as_str();
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(self.seam(rest));
            let symbols = self.merge(part);
            let mut at = 0;
            while at != NONE {
                let symbol = &symbols[at as usize];
                self.push(&part[symbol.start..symbol.end], out)?;
                at = symbol.next;
            }
            rest = behind;
        }
        Ok(())
    }

    /// Where the first part of `text` ends that merges by itself: parts of a word or two keep the heap small, however long the text.
    fn seam(&self, text: &str) -> usize {
        let spaces = text.match_indices(SPACE).map(|(at, _)| at);
        let mut seams = spaces.filter(|&at| text[..at].chars().next_back().is_some_and(|c| !self.before_space.contains(&c)));
        seams.next().unwrap_or(text.len())
    }

    fn merge(&self, text: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .zip(0u32..)
            .map(|((start, c), i)| Symbol { start, end: start + c.len_utf8(), prev: i.wrapping_sub(1), next: i + 1 })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        let mut heap: BinaryHeap<Candidate> =
            (1..symbols.len()).filter_map(|right| self.candidate(text, &symbols, right as u32 - 1, right as u32)).collect();
        while let Some(Candidate { left, right, len, .. }) = heap.pop() {
            let (l, r) = (&symbols[left as usize], &symbols[right as usize]);
            if l.start == l.end || r.start == r.end || r.end - l.start != len {
                continue;
            }
            let (end, next, prev) = (r.end, r.next, l.prev);
            symbols[right as usize].end = r.start;
            symbols[left as usize].end = end;
            symbols[left as usize].next = next;
            if next != NONE {
                symbols[next as usize].prev = left;
            }
            heap.extend(self.candidate(text, &symbols, prev, left));
            heap.extend(self.candidate(text, &symbols, left, next));
        }
        symbols
    }

    fn candidate(&self, text: &str, symbols: &[Symbol], left: u32, right: u32) -> Option<Candidate> {
        let (start, end) = (symbols.get(left as usize)?.start, symbols.get(right as usize)?.end);
        let (_, score) = self.pieces.get(&text[start..end])?;
        Some(Candidate { score: *score, left, right, len: end - start })
    }

    /// The piece's id, or the ids of its bytes.
    fn push(&self, symbol: &str, out: &mut Vec<u32>) -> Result<()> {
        if let Some((id, _)) = self.pieces.get(symbol) {
            out.push(*id);
            return Ok(());
        }
        for byte in symbol.bytes() {
            let id = self.bytes[usize::from(byte)].ok_or_else(|| {
                Error::tokenizer(format!("The vocabulary has neither a token for byte 0x{byte:02X} nor an unknown token."))
            })?;
            out.push(id);
        }
        Ok(())
    }
}

/// The byte that `<0x0A>` names.
pub(crate) fn byte_of(name: &str) -> Option<u8> {
    let hex = name.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2 && hex.bytes().all(|b| b.is_ascii_hexdigit())).then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> Vec<u32> {
        let tokens = [
            ("<unk>", 0.0, Kind::Unknown),
            ("</s>", 0.0, Kind::Control),
            ("</", -1.0, Kind::Normal),
            ("s>", -2.0, Kind::Normal),
            ("ab", -3.0, Kind::Normal),
            ("bc", -3.0, Kind::Normal),
            ("<0xC3>", 0.0, Kind::Byte),
            ("a", -9.0, Kind::Normal),
            ("c", -9.0, Kind::Normal),
        ];
        let mut ids = Vec::new();
        Spm::new(tokens.into_iter(), Some(0)).encode(text, false, &mut ids).unwrap();
        ids
    }

    #[test]
    fn text_never_adds_up_to_a_control_token() {
        assert_eq!(encode("</s>"), [2, 3]);
    }

    #[test]
    fn equal_scores_merge_from_the_left_and_bytes_catch_the_rest() {
        assert_eq!(encode("abc"), [4, 8]);
        assert_eq!(encode("é"), [6, 0], "0xC3 has a token, 0xA9 has none");
        assert!(encode("").is_empty());
    }

    #[test]
    fn a_space_is_a_seam_unless_a_piece_goes_across() {
        let pieces = |across| [("a▁", -1.0), ("▁b", -2.0), ("a", -9.0), ("b", -9.0), ("▁", -9.0)].into_iter().skip(across);
        let encode = |skipped| {
            let mut ids = Vec::new();
            let spm = Spm::new(pieces(skipped).map(|(text, score)| (text, score, Kind::Normal)), Some(0));
            assert_eq!(spm.seam("a▁b▁b"), if skipped == 0 { 5 } else { 1 });
            spm.encode("a b", false, &mut ids).unwrap();
            ids
        };
        assert_eq!(encode(0), [0, 3], "a▁ b");
        assert_eq!(encode(1), [1, 0], "a ▁b");
    }

    #[test]
    fn a_run_of_one_character_is_not_quadratic() {
        let long = "a".repeat(1 << 20);
        assert_eq!(encode(&long).len(), 1 << 20);
    }
}
