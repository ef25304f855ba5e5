//! Is a write-ahead log that a kill left behind read whole, or refused? SQLite itself leaves out, without a word, every
//! frame behind the first that does not fit.

use std::fs;

use failover::databases::sqlite::{journal, log};
use failover::protection::Interchange;
use proptest::prelude::*;

use crate::making::{Made, Nimbus, ROOT, beside, block, damage, key, make, read};

const FRAME: usize = 24 + 4096;

/// Rows of ten transactions in the log alone.
fn left_behind() -> Made {
    let made = make(Nimbus);
    made.run("PRAGMA wal_autocheckpoint = 0; PRAGMA wal_checkpoint(TRUNCATE)");
    let id = made.add_some();
    (101..111).for_each(|slot| made.add_block(id, slot, ROOT));
    made
}

fn highest(messages: &Interchange) -> u64 {
    messages.records[&key(1)].floors().block_slot.unwrap()
}

#[test]
fn rows_that_are_only_in_the_log_are_read_with_or_without_the_index() {
    let made = left_behind();
    for endings in [&["", "-wal", "-shm"][..], &["", "-wal"]] {
        let (_directory, path) = made.snapshot(endings);
        let (found, messages) = read(Nimbus, &path).unwrap();
        assert_eq!(highest(&messages), 110);
        assert!(
            found.notes.iter().any(|note| note.contains("frames were read")),
            "{:?}",
            found.notes
        );
    }
    // Without the log they are not there: what the log is needed for.
    let (_directory, path) = made.snapshot(&[""]);
    assert_eq!(read(Nimbus, &path).unwrap().1, Interchange::default());
}

#[test]
fn a_log_cut_within_a_frame_is_damage() {
    let made = left_behind();
    let (_directory, path) = made.snapshot(&["", "-wal"]);
    let wal = beside(&path, "-wal");
    let whole = fs::read(&wal).unwrap();
    let frames = (whole.len() - 32) / FRAME;
    for cut in [
        1,
        31,
        33,
        32 + 24,
        32 + FRAME - 1,
        32 + FRAME * 5 + 2000,
        whole.len() - 1,
    ] {
        fs::write(&wal, &whole[..cut]).unwrap();
        assert!(damage(Nimbus, &path).contains("cut"), "{cut}");
    }
    // Cut between frames nothing shows it but the index, which the kill left behind too.
    for frames in 0..frames {
        fs::write(&wal, &whole[..32 + FRAME * frames]).unwrap();
        read(Nimbus, &path).unwrap();
    }
    fs::copy(beside(&made.path, "-shm"), beside(&path, "-shm")).unwrap();
    for frames in 0..frames {
        fs::write(&wal, &whole[..32 + FRAME * frames]).unwrap();
        let says = damage(Nimbus, &path);
        assert!(says.contains("the index beside it (-shm) knows"), "{says}");
    }
}

#[test]
fn a_log_that_was_not_copied_is_missed_where_its_index_was() {
    let made = left_behind();
    let (_directory, path) = made.snapshot(&["", "-shm"]);
    let says = damage(Nimbus, &path);
    assert!(says.contains("copy all parts"), "{says}");
    fs::write(beside(&path, "-wal"), b"").unwrap();
    damage(Nimbus, &path);
    // Taken over into the database, nothing is missed.
    made.run("PRAGMA wal_checkpoint(PASSIVE)");
    let (_directory, path) = made.snapshot(&["", "-shm"]);
    assert_eq!(highest(&read(Nimbus, &path).unwrap().1), 110);
}

/// The checksums of SQLite's "WAL-mode File Format", for a machine of either order.
fn sum_up(log: &mut [u8], big_endian: bool) {
    let add = |(mut a, mut b): (u32, u32), bytes: &[u8]| {
        for eight in bytes.chunks_exact(8) {
            let [x, y] = [&eight[..4], &eight[4..]].map(|four| {
                let four = four.try_into().unwrap();
                if big_endian {
                    u32::from_be_bytes(four)
                } else {
                    u32::from_le_bytes(four)
                }
            });
            a = a.wrapping_add(x).wrapping_add(b);
            b = b.wrapping_add(y).wrapping_add(a);
        }
        (a, b)
    };
    let put = |log: &mut [u8], at: usize, sum: (u32, u32)| {
        log[at..at + 4].copy_from_slice(&sum.0.to_be_bytes());
        log[at + 4..at + 8].copy_from_slice(&sum.1.to_be_bytes());
    };
    log[3] = 0x82 | u8::from(big_endian);
    let mut sum = add((0, 0), &log[..24]);
    put(log, 24, sum);
    for at in (32..log.len()).step_by(FRAME) {
        sum = add(add(sum, &log[at..at + 8]), &log[at + 24..at + FRAME]);
        put(log, at + 16, sum);
    }
}

#[test]
fn a_log_of_a_machine_of_either_order_is_read() {
    let made = left_behind();
    let (_directory, path) = made.snapshot(&["", "-wal"]);
    let wal = beside(&path, "-wal");
    let mut bytes = fs::read(&wal).unwrap();
    for big_endian in [true, false] {
        sum_up(&mut bytes, big_endian);
        fs::write(&wal, &bytes).unwrap();
        assert_eq!(highest(&read(Nimbus, &path).unwrap().1), 110, "{big_endian}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever stands in the files: an error or a history, never a panic.
    #[test]
    fn no_bytes_do_harm(part in 0usize..2, at in 0usize..60_000, with in prop::collection::vec(any::<u8>(), 1..300)) {
        let made = left_behind();
        let (_directory, path) = made.snapshot(&["", "-wal"]);
        let file = beside(&path, ["", "-wal"][part]);
        let mut bytes = fs::read(&file).unwrap();
        let at = at % bytes.len();
        let end = (at + with.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&with[..end - at]);
        fs::write(&file, &bytes).unwrap();
        let _ = read(Nimbus, &path);
    }

    #[test]
    fn no_log_or_journal_does_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let magic = [&[0x37, 0x7f, 6, 0x82][..], &3_007_000u32.to_be_bytes(), &512u32.to_be_bytes(), &bytes].concat();
        let journal = [&[0xd9, 0xd5, 5, 0xf9, 0x20, 0xa1, 0x63, 0xd7][..], &bytes].concat();
        let _ = (log::examine(&bytes[..], None, "log"), journal::examine(&bytes[..], "journal"));
        let _ = (log::examine(&magic[..], None, "log"), journal::examine(&journal[..], "journal"));
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_log_is_damage() {
    let made = left_behind();
    let (_directory, path) = made.snapshot(&["", "-wal"]);
    let wal = beside(&path, "-wal");
    let whole = fs::read(&wal).unwrap();
    // The numbers of the checkpoint in the header count for its checksum too.
    let places = (0..32 + 24)
        .chain((56..whole.len()).step_by(997))
        .chain(whole.len() - FRAME..whole.len() - FRAME + 24);
    for at in places {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 4;
        fs::write(&wal, &spoilt).unwrap();
        match read(Nimbus, &path) {
            Err(error) => assert!(error.to_string().contains("-wal"), "byte {at}: {error}"),
            Ok(_) => panic!("byte {at}: read"),
        }
    }
}

#[test]
fn frames_of_before_the_log_was_begun_anew_are_no_damage() {
    let made = left_behind();
    // All into the database; the next transaction writes over the first frames.
    made.run("PRAGMA wal_checkpoint(RESTART)");
    made.add_block(1, 200, ROOT);
    let (_directory, path) = made.snapshot(&["", "-wal", "-shm"]);
    let bytes = fs::read(beside(&path, "-wal")).unwrap();
    let found = log::examine(&bytes[..], None, "log").unwrap();
    assert!(found.committed > 0 && found.left_over > 0, "{found:?}");
    assert_eq!(highest(&read(Nimbus, &path).unwrap().1), 200);
}

#[test]
fn a_transaction_that_was_cut_off_is_left_out_and_said() {
    let made = left_behind();
    made.run("PRAGMA cache_size = 2; PRAGMA cache_spill = 1; BEGIN");
    (1000..4000).for_each(|slot| made.add_block(1, slot, ROOT));
    let (_directory, path) = made.snapshot(&["", "-wal", "-shm"]);
    let (found, messages) = read(Nimbus, &path).unwrap();
    assert_eq!(highest(&messages), 110);
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("that was cut off are left out")),
        "{:?}",
        found.notes
    );
}

#[test]
fn an_empty_log_or_one_with_a_header_alone_is_no_damage() {
    let made = make(Nimbus);
    made.add_some();
    made.run("PRAGMA wal_checkpoint(TRUNCATE)");
    let (_directory, path) = made.snapshot(&["", "-wal"]);
    assert_eq!(fs::read(beside(&path, "-wal")).unwrap(), b"");
    let (found, messages) = read(Nimbus, &path).unwrap();
    assert_eq!(messages.records[&key(1)].blocks, [block(100, ROOT)]);
    assert!(
        found.notes[0].starts_with("no write-ahead log lies beside it"),
        "{:?}",
        found.notes
    );
}
