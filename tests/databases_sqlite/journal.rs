//! Is a transaction that was cut off undone by its rollback journal, and refused when the journal cannot?

use std::fs;

use failover::databases::sqlite::journal::{Journal, examine};
use failover::protection::Interchange;

use crate::making::{Lighthouse, Made, ROOT, beside, damage, key, make, read};

/// A database in the middle of a transaction that is larger than the cache: pages of it are in the file already.
fn in_mid_transaction() -> Made {
    let made = make(Lighthouse);
    let id = made.add_some();
    made.run("BEGIN");
    (1000..3000).for_each(|target| made.add_vote(id, 900, target, ROOT));
    made.run("COMMIT");
    made.run("PRAGMA cache_size = 2; PRAGMA cache_spill = 1; BEGIN");
    made.run("DELETE FROM signed_attestations WHERE target_epoch > 1000");
    (5000..7000).for_each(|target| made.add_vote(id, 900, target, ROOT));
    made
}

fn highest(messages: &Interchange) -> u64 {
    messages.records[&key(1)].floors().target_epoch.unwrap()
}

#[test]
fn a_hot_journal_is_rolled_back() {
    let made = in_mid_transaction();
    let (directory, path) = made.snapshot(&["", "-journal"]);
    let (found, messages) = read(Lighthouse, &path).unwrap();
    assert_eq!((found.attestations, highest(&messages)), (2002, 2999));
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("undone by the rollback journal")),
        "{:?}",
        found.notes
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2,
        "the original was touched"
    );
    // Without the journal the file is torn: what the journal is needed for.
    fs::remove_file(beside(&path, "-journal")).unwrap();
    let torn = read(Lighthouse, &path);
    assert!(torn.is_err() || highest(&torn.unwrap().1) != 2999);
}

#[test]
fn a_journal_that_is_cut_or_spoilt_is_damage() {
    let made = in_mid_transaction();
    let (_directory, path) = made.snapshot(&["", "-journal"]);
    let journal = beside(&path, "-journal");
    let whole = fs::read(&journal).unwrap();
    let Journal::Hot { pages } = examine(&whole[..], "journal").unwrap() else {
        panic!("not hot");
    };
    assert!(pages > 10, "{pages}");
    for cut in [1, 27, 100, 511, 512 + 4000, 512 + 5 * 4104, 512 + 10 * 4104 - 1] {
        fs::write(&journal, &whole[..cut]).unwrap();
        assert!(damage(Lighthouse, &path).contains("cut"), "{cut}");
    }
    // Page numbers have no checksum, nor has most of a page: only each 200th byte is summed up.
    for at in [
        0,
        7,
        20,
        24,
        512 + 4 + 4096 - 200,
        512 + 4100,
        512 + 4104 * 3 + 4 + 4096 - 400,
    ] {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 4;
        fs::write(&journal, &spoilt).unwrap();
        let says = damage(Lighthouse, &path);
        assert!(says.contains("journal"), "byte {at}: {says}");
    }
    fs::write(&journal, &whole).unwrap();
    assert_eq!(highest(&read(Lighthouse, &path).unwrap().1), 2999);
}

#[test]
fn a_journal_that_has_done_its_work_is_left() {
    let made = make(Lighthouse);
    made.run("PRAGMA journal_mode = PERSIST");
    made.add_some();
    let (_directory, path) = made.snapshot(&["", "-journal"]);
    let bytes = fs::read(beside(&path, "-journal")).unwrap();
    assert_eq!(
        (examine(&bytes[..], "journal").unwrap(), bytes.len() > 512),
        (Journal::Cold, true)
    );
    let (found, messages) = read(Lighthouse, &path).unwrap();
    assert_eq!((found.notes, highest(&messages)), (vec![], 4));
    fs::write(beside(&path, "-journal"), b"").unwrap();
    assert_eq!(highest(&read(Lighthouse, &path).unwrap().1), 4);
}
