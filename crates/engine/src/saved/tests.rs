//! What is written is read again; nothing else is.

use std::path::PathBuf;

use wick_spec::{Code, Error};
use wick_testkit::Scratch;
use wick_text::Rendered;

use super::format::{CHECK, FIXED, check_head};
use super::*;

/// A chat of 70 tokens, with a group of full layers and one of a window of 40.
fn chat() -> Saved {
    let rendered = Rendered::restored("U: <s> é\nA: ".into(), vec![4, 9]).expect("marks at borders");
    let tokens: Vec<u32> = (0..75).map(|n| n * 7 % 64).collect();
    Saved {
        fingerprint: Fingerprint(*b"a model of ours."),
        kv: "cpu f16".into(),
        groups: vec![
            SavedGroup { window: None, block: 24, present: 0..3 },
            SavedGroup { window: Some(40), block: 8, present: 1..3 },
        ],
        long: true,
        turn: Some(Arc::new(Turn { rendered, answer: "Nobody.".into(), ids: tokens[..70].to_vec() })),
        tokens: tokens.into(),
        kept: 74,
        text: r#"[{"role":"user"}]"#.into(),
        salt: Some("a tenant".into()),
    }
}

/// Raw text, of which nothing is computed.
fn raw() -> Saved {
    let groups = vec![SavedGroup { window: None, block: 1 << 40, present: 0..0 }];
    Saved { groups, long: false, turn: None, tokens: Arc::from([3, 1]), kept: 0, text: String::new(), salt: None, ..chat() }
}

fn block(saved: &Saved, place: Place) -> Vec<u8> {
    let size = saved.groups[place.group].block as usize;
    (0..size).map(|n| (n + 31 * place.index + 7 * place.group) as u8).collect()
}

fn write(path: &Path, saved: &Saved) -> Result<()> {
    let mut writer = Writer::create(path, saved)?;
    let blocks: Vec<_> = saved.places().map(|place| block(saved, place)).collect();
    // One by one, and several at once.
    blocks.iter().take(2).try_for_each(|block| writer.blocks(block))?;
    writer.blocks(&blocks[blocks.len().min(2)..].concat())?;
    writer.finish()
}

fn read(path: &Path) -> Result<Saved> {
    let mut reader = Reader::open(path)?;
    let mut bytes = Vec::new();
    while let Some(place) = reader.next(&mut bytes)? {
        assert_eq!(bytes, block(reader.saved(), place), "{place:?}");
    }
    Ok(reader.saved().clone())
}

/// A file's bytes, and somewhere to put others.
fn file(name: &str, saved: &Saved) -> (Scratch, PathBuf, Vec<u8>) {
    let folder = Scratch::new(name);
    let path = folder.file("chat.session");
    write(&path, saved).expect("it can be written");
    let bytes = std::fs::read(&path).expect("it was written");
    (folder, path, bytes)
}

fn refused(path: &Path, bytes: &[u8]) -> Error {
    std::fs::write(path, bytes).expect("the folder is ours");
    verify_session(path).expect_err("it is damaged")
}

#[test]
fn what_is_saved_is_read_again() {
    for saved in [chat(), raw()] {
        let (_folder, path, _) = file("saved-again", &saved);
        let read = read(&path).expect("it is whole");
        assert_eq!(format!("{read:?}"), format!("{saved:?}"));
        verify_session(&path).expect("it is whole");
    }
}

#[test]
fn files_of_the_first_version_stay_as_they_are() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1.session");
    let (_folder, _, written) = file("saved-golden", &chat());
    assert_eq!(written, std::fs::read(&golden).expect("a fixture"), "a change of the format is another version");
    assert_eq!(format!("{:?}", read(&golden).expect("it is whole")), format!("{:?}", chat()));
}

#[test]
fn blocks_come_by_position() {
    let places: Vec<_> = chat().places().map(|Place { group, index }| (index, group)).collect();
    assert_eq!(places, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)]);
    assert_eq!(raw().places().count(), 0);
}

#[test]
fn every_changed_byte_and_every_other_length_is_noticed() {
    let (_folder, path, whole) = file("saved-damaged", &chat());
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            let error = refused(&path, &bytes);
            assert!([Code::InvalidRequest, Code::Unsupported].contains(&error.code()), "byte {at}: {error}");
            assert!(error.message().contains("chat.session"), "{error}");
        }
    }
    for len in 0..whole.len() {
        assert_eq!(refused(&path, &whole[..len]).code(), Code::InvalidRequest, "cut at {len}");
    }
    assert_eq!(refused(&path, &[&whole[..], &[0]].concat()).code(), Code::InvalidRequest, "a byte more");
}

#[test]
fn blocks_in_another_order_or_of_another_file_are_noticed() {
    let (_folder, path, whole) = file("saved-swapped", &chat());
    let end = whole.len();
    // The last two rows of blocks, a full group's and a window's each.
    let row = 24 + 8 + 2 * CHECK;
    let swapped = [&whole[..end - 2 * row], &whole[end - row..], &whole[end - 2 * row..end - row]].concat();
    assert!(refused(&path, &swapped).message().contains("block 1 of group 0"));
    let (_other, _, other) = file("saved-other", &Saved { text: "[]".into(), ..chat() });
    let mixed = [&whole[..end - row], &other[other.len() - row..]].concat();
    assert!(refused(&path, &mixed).message().contains("block 2 of group 0"));
}

/// The file with `change` made to its head, and all that a damaged file would be noticed by made to fit.
fn forged(whole: &[u8], head: usize, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = whole[..head].to_vec();
    change(&mut bytes);
    let total = (bytes.len() + whole.len() - head) as u64;
    bytes[32..40].copy_from_slice(&total.to_le_bytes());
    let check = check_head(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes.extend_from_slice(&whole[head + CHECK..]);
    bytes
}

#[test]
fn a_head_that_contradicts_itself_is_refused_before_memory_is_taken() {
    let (saved, name) = (chat(), "saved-forged");
    let (_folder, path, whole) = file(name, &saved);
    let head = whole.len() - 3 * (24 + CHECK) - 2 * (8 + CHECK) - CHECK;
    assert_eq!(forged(&whole, head, |_| ()), whole, "nothing else is changed");
    // Every figure at its largest, at none, and a little beside what it is.
    for at in (40..FIXED).step_by(8) {
        let is = u64::from_le_bytes(whole[at..at + 8].try_into().expect("eight"));
        for wrong in [u64::MAX, 1 << 62, 1 << 31, 0, is ^ 1, is + 8, is.wrapping_sub(8)] {
            let bytes = forged(&whole, head, |head| head[at..at + 8].copy_from_slice(&wrong.to_le_bytes()));
            let error = refused(&path, &bytes);
            assert_eq!(error.code(), Code::InvalidRequest, "{wrong} at {at}: {error}");
        }
    }
    // Any byte of the head; where the head is still one, all of it is read.
    for at in 8..head {
        for xor in [1, 0x20, 0xff] {
            let bytes = forged(&whole, head, |head| head[at] ^= xor);
            std::fs::write(&path, &bytes).expect("the folder is ours");
            if let Err(error) = verify_session(&path) {
                assert!([Code::InvalidRequest, Code::Unsupported].contains(&error.code()), "byte {at}: {error}");
            }
        }
    }
}

#[test]
fn a_later_version_and_what_is_no_session_are_named() {
    let (folder, path, whole) = file("saved-foreign", &chat());
    let mut later = whole.clone();
    later[8] = 2;
    let error = refused(&path, &later);
    assert_eq!(error.code(), Code::Unsupported);
    assert!(error.message().contains("version 2"), "{error}");
    assert_eq!(refused(&path, b"GGUF and more").code(), Code::InvalidRequest);
    assert_eq!(refused(&path, b"").code(), Code::InvalidRequest);
    assert_eq!(verify_session(folder.path()).expect_err("a folder").code(), Code::InvalidRequest);
    let missing = verify_session(&folder.file("none")).expect_err("nothing there");
    assert_eq!(missing.code(), Code::Io);
}

#[test]
fn a_writer_that_is_dropped_leaves_the_old_file_and_nothing_else() {
    let (folder, path, whole) = file("saved-dropped", &chat());
    let other = Saved { text: "another".into(), ..chat() };
    let mut writer = Writer::create(&path, &other).expect("it can be made");
    let first = other.places().next().expect("it has blocks");
    assert_eq!(writer.blocks(&[0; 5]).expect_err("a block of another size").code(), Code::Internal);
    let mut again = Writer::create(&path, &other).expect("two at once");
    again.blocks(&block(&other, first)).expect("the first block");
    assert_eq!(again.finish().expect_err("four are missing").code(), Code::Internal);
    drop(writer);
    assert_eq!(std::fs::read(&path).expect("the old file"), whole);
    assert_eq!(folder.names(), ["chat.session"]);
}
