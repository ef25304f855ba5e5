//! Damage: meta pages, cuts, pages that lie, flipped bytes. Must never take an answer for granted: what is not an error
//! is compared with what was put in.

use failover::databases::DatabaseError;
use failover::protection::fold;
use proptest::prelude::*;

use super::{database, floors, page_size, read, truth};

/// Bytes of the file that belong to a state: what lies behind is room to grow.
fn used(bytes: &[u8]) -> usize {
    let pages = |at: usize| u64::from_le_bytes(bytes[at + 56..at + 64].try_into().unwrap()) as usize;
    pages(0).max(pages(page_size(bytes))) * page_size(bytes)
}

/// Proves that neither a damaged meta page is used nor the older state beside it: the newest messages could be missing.
#[test]
fn damaged_meta_pages_are_not_believed() {
    for name in ["small-4k", "small-16k", "small-64k", "backup"] {
        let bytes = database(name);
        let size = page_size(&bytes);
        for page in [0, 1] {
            for at in (0..80).filter(|at| !(10..16).contains(at)) {
                let mut damaged = bytes.clone();
                damaged[page * size + at] ^= 1 << (at % 8);
                let error = read(&damaged).unwrap_err().to_string();
                let named = error.contains(&format!("meta page {page} is damaged"));
                assert!(named, "{name}: byte {at}: {error}");
                damaged[(1 - page) * size + 40] ^= 0x10;
                let error = read(&damaged).unwrap_err().to_string();
                assert!(error.contains("neither of its two meta pages"), "{name}: {error}");
            }
        }
    }
}

/// Proves that a file that was cut anywhere in its state is refused.
#[test]
fn a_cut_file_is_refused() {
    for name in ["small-4k", "small-64k", "many-16k", "qrysm", "churn", "deep"] {
        let bytes = database(name);
        let size = page_size(&bytes);
        let end = used(&bytes);
        for at in (0..bytes.len())
            .step_by(size)
            .chain((0..end).step_by(size).map(|at| at + size - 1))
        {
            let cut = read(&bytes[..at]);
            if at < end {
                let error = cut.unwrap_err();
                assert!(
                    matches!(error, DatabaseError::Damaged { .. }),
                    "{name} at {at}: {error}"
                );
            } else {
                assert_eq!(cut.unwrap().1, truth(name), "{name} at {at}");
            }
        }
    }
}

/// Proves that whatever a page's header or its first element claims, the answer is an error, or the page is free.
#[test]
fn a_page_that_lies_is_refused() {
    for name in ["deep", "qrysm", "churn", "many-64k"] {
        let bytes = database(name);
        let size = page_size(&bytes);
        let truth = fold(&truth(name));
        let mut refused = 0;
        let pages: Vec<usize> = (2..bytes.len() / size).collect();
        for page in pages.iter().step_by(pages.len() / 40 + 1).copied() {
            let start = page * size;
            let own = (page as u64).to_le_bytes();
            let lies: [(usize, &[u8]); 12] = [
                (0, &[0xff]),
                (8, &[0x03]),
                (8, &[0x04]),
                (8, &[0]),
                (10, &[0, 0]),
                (10, &[0xff, 0xff]),
                (12, &[1]),
                (12, &[0xff; 4]),
                (16, &[0xff; 4]),
                (20, &[0xff; 4]),
                (24, &[0xff; 8]),
                (24, &own),
            ];
            for (at, lie) in lies {
                let mut damaged = bytes.clone();
                damaged[start + at..start + at + lie.len()].copy_from_slice(lie);
                if damaged == bytes {
                    continue;
                }
                match floors(&damaged) {
                    Err(_) => refused += 1,
                    Ok((found, history)) if found.notes.is_empty() => {
                        assert_eq!(history, truth, "{name}: page {page}, byte {at}");
                    }
                    // The middle of a long key: what stands under it is told of.
                    Ok(_) => {}
                }
            }
        }
        assert!(refused > 50, "{name}: {refused}");
    }
}

/// Proves the order of what a flipped byte can do: an error; or more than was signed; or a note. Never silently less. For
/// every byte of a file, and one bit of each.
#[test]
fn no_flipped_byte_lowers_a_floor_in_silence() {
    for name in ["small-4k", "qrysm-small"] {
        let bytes = database(name);
        let truth = fold(&truth(name));
        let (found, _) = floors(&bytes).unwrap();
        let mut unnoticed = 0;
        let used = used(&bytes);
        // Of the long keys every fifth byte, which is of another place in each page.
        let step = if name == "small-4k" { 1 } else { 5 };
        for at in (0..used).step_by(step) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at * 5 % 8);
            let Ok((now, history)) = floors(&damaged) else {
                continue;
            };
            if now.notes != found.notes || history.floors.len() > truth.floors.len() {
                continue;
            }
            unnoticed += 1;
            for (key, floors) in &truth.floors {
                let read = history.floors_of(key);
                assert!(
                    read.covers(floors),
                    "{name}: byte {at}: {key:?}: {read} for {floors}"
                );
            }
        }
        println!(
            "{name}: {unnoticed} of {} bytes change nothing that is seen",
            bytes.len()
        );
        assert!(unnoticed < bytes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Proves that no damage makes the reader panic or run on.
    #[test]
    fn damage_never_panics(
        name in prop::sample::select(vec!["small-4k", "qrysm-small", "churn", "odd", "ring", "backup"]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = database(name);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = floors(&bytes);
    }

    /// Proves the same where the meta pages are whole, so that the damage lies where it is looked at.
    #[test]
    fn damage_behind_the_meta_pages_never_panics(
        name in prop::sample::select(vec!["small-4k", "qrysm", "churn", "odd"]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = database(name);
        let body = bytes.len() - 8192;
        for (at, value) in flips {
            bytes[8192 + at.index(body)] ^= value;
        }
        let _ = floors(&bytes);
    }
}
