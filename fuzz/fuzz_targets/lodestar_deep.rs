//! Lodestar's LevelDB behind its checksums: edits, batches and blocks of any bytes, put into files that fit.
#![no_main]

mod agree;
#[allow(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../../tests/databases_lodestar/made.rs"]
mod made;

use failover::databases::lodestar;
use libfuzzer_sys::fuzz_target;

// A kind (one byte), a length (two bytes, little-endian), the bytes; and so on.
fuzz_target!(|bytes: &[u8]| {
    let (mut edits, mut batches, mut blocks, mut rest) = (Vec::new(), Vec::new(), Vec::new(), bytes);
    while let [kind, low, high, tail @ ..] = rest {
        let (part, behind) = tail.split_at(tail.len().min(usize::from(u16::from_le_bytes([*low, *high]))));
        match kind % 3 {
            0 => edits.push(part.to_vec()),
            1 => batches.push(part.to_vec()),
            _ => blocks.push((part.to_vec(), kind / 3 % 2, made::internal(&[255; 60], 1, 1))),
        }
        rest = behind;
    }
    let table = made::table(&blocks);
    let bounds = (made::internal(&[20], 9, 1), made::internal(&[255; 60], 1, 1));
    let first = made::edit(&[(2, 3), (3, 9), (4, 0)]);
    edits.push([first, made::added(1, 5, table.len(), &bounds.0, &bounds.1)].concat());
    let mut files = made::with_manifest(&edits, &batches);
    files.0.insert("000005.ldb".into(), table);
    agree::agree(|sink| lodestar::read(&files, sink), |sink| lodestar::read(&files, sink));
});
