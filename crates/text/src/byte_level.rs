//! The alphabet of byte-level BPE (GPT-2): each byte is written as one printable character.
//!
//! Printable Latin-1 bytes stand for themselves; the other 68 become U+0100, U+0101, … in byte order.

use std::sync::LazyLock;

struct Alphabet {
    to_char: [char; 256],
    /// By code point up to U+0143, the last one used.
    to_byte: [Option<u8>; 0x144],
}

static ALPHABET: LazyLock<Alphabet> = LazyLock::new(|| {
    let mut alphabet = Alphabet { to_char: ['\0'; 256], to_byte: [None; 0x144] };
    let mut next = 0x100u32;
    for byte in 0..=255u8 {
        let point = if matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) {
            u32::from(byte)
        } else {
            next += 1;
            next - 1
        };
        alphabet.to_char[usize::from(byte)] = char::from_u32(point).unwrap_or_default();
        alphabet.to_byte[point as usize] = Some(byte);
    }
    alphabet
});

/// The character of each byte, in the bytes' order.
pub(crate) fn letters() -> impl Iterator<Item = char> {
    ALPHABET.to_char.into_iter()
}

/// `text` with every byte as its character, appended to `out`.
pub(crate) fn spell(text: &str, out: &mut String) {
    let alphabet = &ALPHABET.to_char;
    out.extend(text.bytes().map(|byte| alphabet[usize::from(byte)]));
}

/// The bytes that `spelled` stands for, or `None` when it has a character outside the alphabet.
pub(crate) fn unspell(spelled: &str) -> Option<Vec<u8>> {
    spelled.chars().map(|c| ALPHABET.to_byte.get(c as usize).copied().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        for byte in 0..=255u8 {
            let spelled = ALPHABET.to_char[usize::from(byte)].to_string();
            assert_eq!(unspell(&spelled), Some(vec![byte]));
        }
        let mut spelled = String::new();
        spell(" é\n", &mut spelled);
        assert_eq!(spelled, "ĠÃ©Ċ");
        assert_eq!(unspell("あ"), None);
    }
}
