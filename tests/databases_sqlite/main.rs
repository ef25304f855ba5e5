//! Are the databases of Lighthouse and Nimbus read as they are, with journal and log, and is everything else refused?
//! The writer is SQLite itself, with the tables that both clients publish.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod journal;
mod making;
mod processes;
mod refused;
mod wal;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use failover::databases::{DatabaseError, Format, sqlite};
use failover::protection::{GenesisRoot, Interchange, Record, fold};
use making::{Lighthouse, Nimbus, ROOT, block, floors, key, make, read, vote};
use proptest::prelude::*;

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn every_row_is_read_and_nothing_of_the_original_changes() {
    for client in [Lighthouse, Nimbus] {
        let made = make(client);
        made.add_some();
        made.add_key(&key(2));
        made.run(match client {
            Lighthouse => "UPDATE validators SET enabled = FALSE WHERE id = 2",
            Nimbus => "CREATE TABLE kvstore (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
        });
        let endings = if client == Nimbus {
            &["", "-wal", "-shm"][..]
        } else {
            &[""]
        };
        let (directory, path) = made.snapshot(endings);
        let before = contents(directory.path());
        let (found, messages) = read(client, &path).unwrap();
        assert_eq!(contents(directory.path()), before, "{client:?}");
        assert_eq!((found.blocks, found.attestations), (1, 2));
        assert_eq!(
            messages.records,
            BTreeMap::from([
                (
                    key(1),
                    Record {
                        blocks: vec![block(100, ROOT)],
                        attestations: vec![vote(2, 3, ROOT), vote(3, 4, [0; 32])],
                    }
                ),
                (key(2), Record::default()),
            ])
        );
        let (format, root, note) = match client {
            Lighthouse => (Format::Lighthouse, None, "1 keys are disabled"),
            Nimbus => (
                Format::Nimbus,
                Some(GenesisRoot([0xab; 32])),
                "frames were read from the write-ahead log",
            ),
        };
        assert_eq!((found.format, found.genesis_validators_root), (format, root));
        assert!(
            found.notes.iter().any(|said| said.contains(note)),
            "{:?}",
            found.notes
        );
        let mut sink = Interchange::default();
        assert_eq!(sqlite::read(&path, &mut sink).unwrap(), found);
        assert_eq!(sink, messages);
    }
}

#[test]
fn lighthouse_keys_are_text_or_bytes_and_enabled_may_be_missing() {
    let made = make(Lighthouse);
    made.run("DROP TABLE validators; CREATE TABLE validators (id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE)");
    let text = key(1).to_string();
    let insert = "INSERT INTO validators VALUES (?1, ?2)";
    made.connection.execute(insert, (1, &text)).unwrap();
    made.connection.execute(insert, (2, key(2).as_bytes())).unwrap();
    made.connection
        .execute(insert, (3, key(3).to_string().as_bytes()))
        .unwrap();
    // The same key again, otherwise spelt.
    made.connection
        .execute(insert, (4, key(0xab).to_string()))
        .unwrap();
    made.connection
        .execute(insert, (5, key(0xab).hex().to_uppercase()))
        .unwrap();
    made.add_block(4, 9, ROOT);
    made.add_block(5, 11, ROOT);
    let (found, messages) = read(Lighthouse, &made.path).unwrap();
    let keys: Vec<_> = messages.records.keys().cloned().collect();
    assert_eq!(keys, [key(1), key(2), key(3), key(0xab)]);
    assert_eq!(
        messages.records[&key(0xab)].blocks,
        [block(9, ROOT), block(11, ROOT)]
    );
    for says in ["without the column `enabled`", "1 validators share a public key"] {
        assert!(
            found.notes.iter().any(|note| note.contains(says)),
            "{:?}",
            found.notes
        );
    }
}

#[test]
fn every_page_size_is_read() {
    for client in [Lighthouse, Nimbus] {
        for bytes in [512, 1024, 4096, 16384, 65536] {
            let made = making::make_with(client, &format!("PRAGMA page_size = {bytes}"));
            let id = made.add_some();
            made.run("BEGIN");
            (10..600).for_each(|target| made.add_vote(id, target - 1, target, ROOT));
            made.run("COMMIT");
            let endings = if client == Nimbus {
                &["", "-wal", "-shm"][..]
            } else {
                &[""]
            };
            let (_directory, path) = made.snapshot(endings);
            assert_eq!(
                read(client, &path).unwrap().0.attestations,
                592,
                "{client:?} {bytes}"
            );
        }
    }
}

#[test]
fn what_is_no_database_is_refused() {
    let made = make(Lighthouse);
    made.add_some();
    drop(made.connection);
    let whole = fs::read(&made.path).unwrap();
    let path = made.directory.path().join("other");
    for cut in [
        0,
        1,
        15,
        16,
        99,
        100,
        511,
        4095,
        4096,
        8192,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        fs::write(&path, &whole[..cut]).unwrap();
        for client in [Lighthouse, Nimbus] {
            making::damage(client, &path);
        }
    }
    fs::write(&path, vec![0; whole.len()]).unwrap();
    making::damage(Lighthouse, &path);
    fs::write(&path, "{}".repeat(5000)).unwrap();
    making::damage(Lighthouse, &path);
    let link = made.directory.path().join("link");
    std::os::unix::fs::symlink(&made.path, &link).unwrap();
    for nothing in [
        &link,
        made.directory.path(),
        Path::new("/dev/null"),
        &path.join("x"),
    ] {
        let error = read(Lighthouse, nothing).unwrap_err();
        assert!(matches!(error, DatabaseError::Io { .. }), "{error}");
    }
    // A database of somebody else's.
    let other = rusqlite::Connection::open(made.directory.path().join("journal")).unwrap();
    other.execute_batch("CREATE TABLE entries (a)").unwrap();
    let error = sqlite::read(
        &made.directory.path().join("journal"),
        &mut Interchange::default(),
    )
    .unwrap_err();
    assert!(matches!(error, DatabaseError::NotRecognised { .. }), "{error}");
}

#[test]
fn a_spoilt_page_is_damage() {
    for client in [Lighthouse, Nimbus] {
        let made = make(client);
        let id = made.add_some();
        made.run("BEGIN");
        (10..1000).for_each(|target| made.add_vote(id, target - 1, target, ROOT));
        made.run("COMMIT");
        made.run("PRAGMA wal_checkpoint(TRUNCATE)");
        let (_directory, path) = made.snapshot(&[""]);
        let whole = fs::read(&path).unwrap();
        for page in 0..whole.len() / 4096 {
            let mut spoilt = whole.clone();
            spoilt[page * 4096 + 100..(page + 1) * 4096].fill(0xee);
            fs::write(&path, &spoilt).unwrap();
            making::damage(client, &path);
        }
    }
}

/// Rows may be any, as long as slots and targets do not repeat within a key.
fn records() -> impl Strategy<Value = BTreeMap<u8, Record>> {
    let root = prop_oneof![Just([0u8; 32]), any::<[u8; 32]>()];
    let number = prop_oneof![0u64..200, Just((1 << 53) - 1)];
    let blocks = prop::collection::btree_map(number.clone(), root.clone(), 0..20);
    let votes = prop::collection::btree_map(number.clone(), (number, root), 0..20);
    let record = (blocks, votes).prop_map(|(blocks, votes)| Record {
        blocks: blocks.into_iter().map(|(slot, root)| block(slot, root)).collect(),
        attestations: votes
            .into_iter()
            .map(|(target, (source, root))| vote(source, target, root))
            .collect(),
    });
    prop::collection::btree_map(any::<u8>(), record, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a client wrote is read: the same messages, and the same floors, wherever SQLite keeps the rows.
    #[test]
    fn any_history_is_read_as_it_was_written(records in records(), checkpoint in any::<bool>()) {
        for client in [Lighthouse, Nimbus] {
            let made = make(client);
            made.run("BEGIN");
            for (number, record) in &records {
                made.add(&key(*number), record);
            }
            made.run("COMMIT");
            if checkpoint {
                made.run("PRAGMA wal_checkpoint(TRUNCATE)");
            }
            let endings = if client == Nimbus { &["", "-wal"][..] } else { &[""] };
            let (_directory, path) = made.snapshot(endings);
            let (found, messages) = read(client, &path).unwrap();
            let expected: BTreeMap<_, _> = records.iter().map(|(number, record)| (key(*number), record.clone())).collect();
            prop_assert_eq!(&messages.records, &expected);
            prop_assert_eq!(messages.counts(), (found.blocks as usize, found.attestations as usize));
            prop_assert_eq!(floors(client, &path).unwrap().floors, fold(&messages).floors);
        }
    }
}
