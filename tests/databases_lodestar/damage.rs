//! Damage in every file: never a panic, never a message fewer, but for what the end of the newest log cuts off.

use failover::databases::{DatabaseError, Found, Memory};
use failover::protection::Interchange;

use super::made::{batch, database, edit, key, log, value, with_manifest};
use super::{DATABASES, read};

type Answer = Result<(Found, Interchange), DatabaseError>;

fn with(Memory(files): &Memory, name: &str, bytes: Vec<u8>) -> Memory {
    let mut files = files.clone();
    files.insert(name.to_owned(), bytes);
    Memory(files)
}

/// How often each file is damaged: the smaller a database, the more often.
fn tries(Memory(files): &Memory) -> usize {
    let size: usize = files.values().map(Vec::len).sum();
    (600_000 / size).clamp(4, 120)
}

/// The log to which LevelDB wrote last.
fn newest_log(Memory(files): &Memory) -> String {
    let logs = files.keys().filter(|name| name.ends_with(".log"));
    logs.max().unwrap().clone()
}

/// Every message of the one is in the other.
fn within(part: &Interchange, whole: &Interchange) -> bool {
    part.records.iter().all(|(key, record)| {
        whole.records.get(key).is_some_and(|of_whole| {
            record.blocks.iter().all(|block| of_whole.blocks.contains(block))
                && record
                    .attestations
                    .iter()
                    .all(|vote| of_whole.attestations.contains(vote))
        })
    })
}

fn refused(answer: &Answer) -> bool {
    matches!(
        answer,
        Err(DatabaseError::Damaged { .. }
            | DatabaseError::Unsupported { .. }
            | DatabaseError::NotRecognised { .. })
    )
}

/// Proves that a missing file is damage: all but `LOCK`; but the newest of two logs, which nothing else names, so that
/// LevelDB itself cannot tell.
#[test]
fn a_missing_file_is_damage() {
    let mut untold = Vec::new();
    for name in DATABASES {
        let whole = super::database(name);
        for missing in whole.0.keys().filter(|file| *file != "LOCK") {
            let mut files = whole.clone();
            files.0.remove(missing);
            let answer = read(&files);
            if !refused(&answer) {
                untold.push((name, missing.clone()));
                assert!(within(&answer.unwrap().1, &read(&whole).unwrap().1));
            }
        }
    }
    for (name, missing) in &untold {
        let whole = super::database(name);
        let logs = whole.0.keys().filter(|file| file.ends_with(".log")).count();
        assert!(
            logs == 2 && *missing == newest_log(&whole) || is_orphan(&whole, missing),
            "{untold:?}"
        );
    }
}

/// A table that was written but not yet made part of the database.
fn is_orphan(Memory(files): &Memory, name: &str) -> bool {
    let manifest = files.iter().find(|(file, _)| file.starts_with("MANIFEST"));
    let number: u64 = name
        .strip_suffix(".ldb")
        .map_or(0, |digits| digits.parse().unwrap());
    let size = files[name].len() as u64;
    let named = [super::made::varint(number), super::made::varint(size)].concat();
    number > 0
        && !manifest
            .unwrap()
            .1
            .windows(named.len())
            .any(|bytes| bytes == named)
}

/// Proves that a flipped bit anywhere is damage, or lies where nothing of the database is. The smaller a database,
/// the more of its bytes are tried.
#[test]
fn a_flipped_bit_is_damage() {
    for name in DATABASES {
        let whole = super::database(name);
        let (found, expected) = read(&whole).unwrap();
        let tries = tries(&whole);
        for (file, bytes) in whole.0.iter().filter(|(file, _)| *file != "LOCK") {
            let stride = (bytes.len() / tries).max(1);
            let orphan = file.ends_with(".ldb") && is_orphan(&whole, file);
            for at in (0..bytes.len()).step_by(stride) {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << (at % 8);
                let length = bytes.len();
                let answer = read(&with(&whole, file, bytes));
                if refused(&answer) {
                    continue;
                }
                assert_eq!(
                    answer,
                    Ok((found.clone(), expected.clone())),
                    "{name} {file} {at}"
                );
                // Behind the keys of a table lie filters, their index and padding, which are not needed.
                let behind_the_keys = file.ends_with(".ldb") && at * 2 > length;
                assert!(behind_the_keys || orphan, "{name} {file} {at}");
            }
        }
    }
}

/// Proves that a file which is too short is damage. A manifest may lack its last edit, if all files of the state before
/// are still there; the newest log may lack its end.
#[test]
fn a_short_file_is_damage() {
    for name in DATABASES {
        let whole = super::database(name);
        let (_, expected) = read(&whole).unwrap();
        let newest_log = newest_log(&whole);
        for (file, bytes) in whole.0.iter().filter(|(file, _)| *file != "LOCK") {
            let orphan = file.ends_with(".ldb") && is_orphan(&whole, file);
            let stride = (bytes.len() / tries(&whole)).max(1);
            for length in (0..bytes.len()).step_by(stride).chain([bytes.len() - 1]) {
                if *file == newest_log || orphan {
                    continue;
                }
                let answer = read(&with(&whole, file, bytes[..length].to_vec()));
                if !refused(&answer) {
                    assert!(file.starts_with("MANIFEST"), "{name} {file} {length}");
                    assert_eq!(answer.unwrap().1, expected, "{name} {file} {length}");
                }
            }
        }
    }
}

/// Where the records of a log end.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut at = 0;
    while at < bytes.len() {
        let room = 32 * 1024 - at % (32 * 1024);
        if room < 7 {
            at += room;
            continue;
        }
        at += 7 + usize::from(bytes[at + 4]) + 256 * usize::from(bytes[at + 5]);
        ends.push(at);
    }
    ends
}

/// Proves that the cut-off end of the newest log costs the messages that it cut off and no other, that it is told, and that
/// zeros in its place, which no kill leaves behind, are damage.
#[test]
fn the_torn_end_of_the_newest_log_is_told() {
    for name in ["log", "reopened", "newer", "killed"] {
        let whole = super::database(name);
        let (_, expected) = read(&whole).unwrap();
        let file = newest_log(&whole);
        let bytes = &whole.0[&file];
        let ends = ends(bytes);
        assert_eq!(ends.last(), Some(&bytes.len()));
        let stride = (bytes.len() / 150).max(1);
        let mut before = 0;
        for length in (1..bytes.len()).step_by(stride) {
            let answer = read(&with(&whole, &file, bytes[..length].to_vec()));
            let Ok((found, read_of_it)) = answer else {
                assert!(refused(&answer), "{name} {length}: {answer:?}");
                continue;
            };
            assert!(within(&read_of_it, &expected), "{name} {length}");
            let count = read_of_it.counts().0 + read_of_it.counts().1;
            assert!(count >= before, "{name} {length}");
            before = count;
            let told = found.notes.iter().any(|note| note.contains("cut off"));
            assert_eq!(
                told,
                !ends.contains(&length),
                "{name} {length}: {:?}",
                found.notes
            );
            let mut zeros = bytes[..length].to_vec();
            zeros.resize(bytes.len(), 0);
            let answer = (zeros != *bytes).then(|| read(&with(&whole, &file, zeros)));
            assert!(answer.iter().all(refused), "{name} {length}: {answer:?}");
            if ends.contains(&length) && bytes.len() - length > 7 {
                let says = answer.unwrap().unwrap_err().to_string();
                assert!(says.contains("lost its power"), "{says}");
            }
        }
        assert!(before > 0, "{name}");
    }
}

/// Proves that a record which is cut off between two of its parts is told as well.
#[test]
fn a_record_that_lacks_its_last_part_is_told() {
    let put = |slot: u64| (key(20, &[1; 48], Some(slot)), Some(value(&[slot], &[1; 32])));
    let large: Vec<_> = (2..1500).map(put).collect();
    let whole = database(&[batch(1, &[put(1)]), batch(2, &large)]);
    assert_eq!(read(&whole).unwrap().1.counts(), (1499, 0));
    for length in [32 * 1024, 2 * 32 * 1024] {
        let bytes = whole.0["000003.log"][..length].to_vec();
        let (found, read) = read(&with(&whole, "000003.log", bytes)).unwrap();
        assert_eq!((read.counts(), found.notes.len()), ((1, 0), 1), "{length}");
    }
}

/// Proves that the rest of a block that has no room for a record must be zero, as every LevelDB leaves it.
#[test]
fn the_rest_of_a_block_is_zero() {
    let time = (key(41, b"GENESIS_TIME", None), Some(vec![1; 32 * 1024 - 40]));
    let first = batch(1, &[time]);
    let room = 32 * 1024 - 7 - first.len();
    assert_eq!(room, 3);
    let second = batch(2, &[(key(20, &[1; 48], Some(1)), Some(value(&[1], &[1; 32])))]);
    let whole = database(&[first, second]);
    assert_eq!(read(&whole).unwrap().1.counts(), (1, 0));
    let mut bytes = whole.0["000003.log"].clone();
    bytes[32 * 1024 - 2] = 1;
    assert!(refused(&read(&with(&whole, "000003.log", bytes))));
}

/// Proves that what LevelDB itself has dropped is told: its own words, from a database whose log was changed before Lodestar
/// opened it. It had 34 attestations and has 16 since, and Lodestar signs on.
#[test]
fn what_leveldb_dropped_is_told() {
    let diary = "2026/11/22-04:56:41.271236 7fce95fbf6c0 Recovering log #3\n\
        2026/11/22-04:56:41.271325 7fce95fbf6c0 (ignoring error) /d/000003.log: dropping 6013 bytes; Corruption: checksum \
        mismatch\n2026/11/22-04:56:41.271331 7fce95fbf6c0 Level-0 table #5: started\n";
    let whole = super::database("log");
    for (name, told) in [("LOG", 1), ("LOG.old", 1), ("LOG.txt", 0)] {
        let (found, _) = read(&with(&whole, name, diary.into())).unwrap();
        assert_eq!(found.notes.len(), told, "{:?}", found.notes);
        assert!(
            found.notes.iter().all(|note| note.contains("dropped 6013 bytes")),
            "{:?}",
            found.notes
        );
    }
    let quiet = diary.replace("dropping", "keeping");
    assert_eq!(read(&with(&whole, "LOG", quiet.into())).unwrap().0.notes.len(), 0);
}

/// Proves that an end which is cut off, but not at the end of all writes, is damage.
#[test]
fn a_torn_end_before_other_writes_is_damage() {
    let put = |slot: u64| vec![(key(20, &[1; 48], Some(slot)), Some(value(&[slot], &[1; 32])))];
    let records = |from: u64, to| -> Vec<_> { (from..to).map(|at| batch(at, &put(at))).collect() };
    let whole = database(&records(1, 9));
    let bytes = &whole.0["000003.log"];
    let torn = with(&whole, "000003.log", bytes[..bytes.len() - 10].to_vec());
    let (found, seven) = read(&torn).unwrap();
    assert_eq!((seven.counts(), found.notes.len()), ((7, 0), 1));
    // A newer log that is empty is left behind by an opening that was killed; one that goes on is not.
    assert_eq!(read(&with(&torn, "000004.log", Vec::new())).unwrap().1, seven);
    assert!(refused(&read(&with(&torn, "000004.log", log(&records(8, 10))))));
    let (_, nine) = read(&with(&whole, "000004.log", log(&records(9, 10)))).unwrap();
    assert_eq!(nine.counts(), (9, 0));
    // A length that was changed so that the record seems to go on behind the end, with whole records behind it.
    let third = ends(bytes)[2];
    for (at, to) in [(third + 5, 0x7f), (third + 4, 0xff)] {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        assert!(refused(&read(&with(&whole, "000003.log", bytes.clone()))));
        bytes[third + 20] ^= 1;
        assert!(refused(&read(&with(&whole, "000003.log", bytes))));
    }
    // The same of the last record: nothing comes behind it, but it is whole.
    let last = ends(bytes)[7];
    for (at, to) in [(last + 5, 0x7f), (last + 4, 0xff)] {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        assert!(refused(&read(&with(&whole, "000003.log", bytes))));
    }
}

/// Proves that a manifest which does not fit is refused: no comparator, another one, unknown edits, numbers missing.
#[test]
fn a_manifest_that_does_not_fit_is_refused() {
    let good = edit(&[(2, 3), (3, 4), (4, 0)]);
    assert!(read(&with_manifest(std::slice::from_ref(&good), &[])).is_ok());
    let mut other = good.clone();
    other[10] ^= 1;
    for edits in [
        vec![],
        vec![good[28..].to_vec()],
        vec![other],
        vec![edit(&[(2, 3), (3, 4)])],
        vec![edit(&[(2, 3), (4, 0)])],
        vec![edit(&[(3, 4), (4, 0)])],
        vec![edit(&[(2, 4), (3, 4), (4, 0)])],
        vec![edit(&[(2, 2), (3, 4), (4, 0)])],
        vec![edit(&[(2, 3), (3, 4), (4, 0), (9, 1)])],
        vec![edit(&[(2, 3), (3, 4), (4, 0), (8, 1)])],
        vec![good.clone(), vec![6, 0, 5]],
        vec![good.clone(), vec![5, 7, 0]],
        vec![good.clone(), vec![7, 0, 3, 9]],
    ] {
        let answer = read(&with_manifest(&edits, &[]));
        assert!(refused(&answer), "{edits:?}: {answer:?}");
    }
}
