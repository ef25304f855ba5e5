//! What every target demands beside "no panic": a reader that folds and a reader that keeps everything come to the same
//! end, since they are one reader. And the files of a directory, cut out of a fuzzer's bytes.
#![allow(dead_code, reason = "every target uses a part")]

use failover::databases::{DatabaseError, Found, Memory};
use failover::protection::{History, Interchange, fold};

/// Reads twice, and demands that both readings are the same.
pub fn agree(
    mut floors: impl FnMut(&mut History) -> Result<Found, DatabaseError>,
    mut everything: impl FnMut(&mut Interchange) -> Result<Found, DatabaseError>,
) {
    let (mut history, mut interchange) = (History::default(), Interchange::default());
    let folded = floors(&mut history);
    let kept = everything(&mut interchange);
    match (folded, kept) {
        (Ok(folded), Ok(kept)) => {
            assert_eq!(folded, kept);
            assert_eq!(history.floors, fold(&interchange).floors);
        }
        (Err(folded), Err(kept)) => assert_eq!(folded.to_string().len(), kept.to_string().len()),
        (folded, kept) => panic!("one reading was refused: {folded:?}, {kept:?}"),
    }
}

/// Files from bytes: a length of a name (one byte), the name, a length (four bytes, little-endian), the content; and so
/// on. What is cut off is taken as it is. `seeds.py` writes the same form.
pub fn files(mut bytes: &[u8]) -> Memory {
    let mut memory = Memory::default();
    while let [length, rest @ ..] = bytes {
        let (name, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        let (size, rest) = rest.split_at(4.min(rest.len()));
        let size = size.iter().rev().fold(0, |size: usize, byte| size << 8 | usize::from(*byte));
        let (content, rest) = rest.split_at(size.min(rest.len()));
        memory.0.insert(String::from_utf8_lossy(name).into_owned(), content.to_vec());
        bytes = rest;
    }
    memory
}

/// The files whose names begin with `prefix`, without it.
pub fn below(memory: &Memory, prefix: &str) -> Memory {
    let inside = memory.0.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(prefix)?.to_owned(), bytes.clone())));
    Memory(inside.collect())
}
