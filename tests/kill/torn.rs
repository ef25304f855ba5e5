//! The journal's last page is torn, or another process keeps the journal locked. SQLite falls back to the last whole
//! transaction, and the run is then one event older than what was done on the hosts; or the program refuses, and names
//! the file and what to do.

use std::path::{Path, PathBuf};

use crate::door::Shut;
use crate::points::{followed, over};
use crate::records;
use crate::stage::{HAND_OVER, RESUME, Stage};
use crate::table::Table;

const HALT: &str = "failover halt val-a val-b";
const HAND_BACK: &str = "failover --primary val-b --backup val-a";

/// How many entries an unbroken run has.
const ENTRIES: u32 = 13;

/// What happens to bytes.
#[derive(Debug, Clone, Copy)]
enum Tear {
    /// The end is missing, from the middle of the last page on.
    Cut,
    /// One byte of the last page, at this many thousandths of it, has another value.
    Flip(usize),
    /// The last page holds nothing.
    Blank,
}

/// Tears the last `page` bytes of a file.
fn tear(file: &Path, page: usize, how: Tear) {
    let mut bytes = std::fs::read(file).unwrap();
    let first = bytes.len() - page;
    match how {
        Tear::Cut => bytes.truncate(first + page / 2),
        Tear::Flip(thousandths) => bytes[first + page * thousandths / 1000] ^= 0x55,
        Tear::Blank => bytes[first..].fill(0),
    }
    std::fs::write(file, bytes).unwrap();
}

fn beside(journal: &Path, tail: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(tail);
    name.into()
}

/// Killed when what follows an entry has been carried out; then the entry is torn out of the log.
async fn log_torn(kept: u32, how: Tear, seed: u64) -> String {
    let mut stage = Stage::new(seed).await;
    let before = stage.floors();
    let end = |journal: &Path| kept == ENTRIES && records::entries(journal) == kept;
    stage.kill_when(HAND_OVER, Shut::CarriedAfter(kept), end).await;
    stage.assert_safe(&before);
    let log = beside(&stage.journal(), "-wal");
    let had = records::entries(&stage.journal());
    if std::fs::metadata(&log).map_or(0, |log| log.len()) == 0 {
        assert_eq!(had, ENTRIES, "{}", stage.story());
        return "over: there is no log to tear".to_owned();
    }
    // A page behind its frame's header.
    tear(&log, 24 + 4096, how);
    assert_eq!(records::entries(&stage.journal()), had - 1, "{}", stage.story());
    over(&mut stage, &before, RESUME).await
}

/// Proves that a torn log costs the last entry and nothing else, although what followed it was done on the hosts.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_page_of_the_log() {
    let mut points = Vec::new();
    for kept in 1..=ENTRIES {
        points.push((kept, Tear::Flip(500)));
        if kept % 4 == 2 {
            points.extend([(kept, Tear::Cut), (kept, Tear::Blank)]);
        }
    }
    let played = points.into_iter().enumerate().map(|(number, (kept, how))| {
        let name = format!("behind entry {kept}, its page torn: {how:?}");
        (name, log_torn(kept, how, 900 + number as u64))
    });
    Table::played(played).await.print("log torn");
}

/// Killed behind an entry; the log is written into the file, and the file's last page is torn.
async fn file_torn(kept: u32, how: Tear, seed: u64) -> String {
    let mut stage = Stage::new(seed).await;
    let before = stage.floors();
    stage.kill_when(HAND_OVER, Shut::Entries(kept), |_| false).await;
    records::checkpoint(&stage.journal());
    tear(&stage.journal(), 4096, how);
    let was = stage.shown();
    let told = stage.run(RESUME).await;
    stage.assert_safe(&before);
    if told.code != Some(5) {
        // A text that nobody acts on, or bytes that nothing uses.
        return format!("unharmed > {}", followed(&mut stage, &before, told).await);
    }
    assert_eq!(stage.shown(), was, "{}", stage.story());
    let journal = stage.journal();
    assert!(
        told.stderr.contains(journal.to_str().unwrap()),
        "{}",
        stage.story()
    );
    assert!(told.stderr.contains("move it away"), "{}", stage.story());
    // As it says: the file is moved away and kept.
    for tail in ["", "-wal", "-shm"] {
        // What is beside it need not be there.
        let _ = std::fs::rename(beside(&journal, tail), beside(&journal, &format!(".kept{tail}")));
    }
    stage.run("failover audit --primary val-a --backup val-b").await;
    let refused = stage.run(HAND_OVER).await;
    assert_eq!(refused.code, Some(1), "{}", stage.story());
    let halted = stage.run(HALT).await;
    assert_eq!(halted.code, Some(0), "{}", stage.story());
    let mut told = stage.run(HAND_OVER).await;
    if told.code == Some(1) {
        told = stage.run(HAND_BACK).await;
    }
    stage.assert_safe(&before);
    stage.assert_true(&told);
    assert_eq!(told.code, Some(0), "{}", stage.story());
    "refused > moved away > halted > Completed".to_owned()
}

/// Proves that a torn journal is refused by name, or unharmed, and that what the refusal says leads to a hand-over.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_page_of_the_file() {
    let mut points = Vec::new();
    for kept in [4, 11] {
        let flips = [0, 1, 2, 300, 500, 650, 800, 950].map(Tear::Flip);
        for how in [Tear::Cut, Tear::Blank].into_iter().chain(flips) {
            points.push((kept, how));
        }
    }
    let played = points.into_iter().enumerate().map(|(number, (kept, how))| {
        let name = format!("behind entry {kept}, the file's last page: {how:?}");
        (name, file_torn(kept, how, 1000 + number as u64))
    });
    let counts = Table::played(played).await.print("file torn");
    assert!(counts.contains_key("Completed"), "{counts:?}");
}

/// Proves that a run whose journal is locked by another process does nothing further: it waits as long as it may, ends,
/// says so, and goes on when it is resumed.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_journal_stops_the_run() {
    let mut stage = Stage::new(1100).await;
    let before = stage.floors();
    // The question that bars the primary waits; its answer cannot be stored.
    stage.door.hold(2);
    let mut process = stage.spawn(HAND_OVER);
    stage.until("the question", || stage.door.holds()).await;
    let lock = records::lock(&stage.journal());
    let asked = stage.door.questions().len();
    stage.door.let_go();
    stage.until("its end", || process.ended().is_some()).await;
    let told = stage.over(process);
    assert_eq!(told.code, Some(5), "{}", stage.story());
    assert!(
        told.stderr.contains("is locked by another process"),
        "{}",
        stage.story()
    );
    assert!(told.stderr.contains("failover resume"), "{}", stage.story());
    assert_eq!(
        stage.door.questions().len(),
        asked + 1,
        "it went on: {:?}",
        stage.door.questions()
    );
    assert!(
        stage.shown()[0].lives,
        "the primary was stopped\n{}",
        stage.story()
    );
    stage.assert_safe(&before);
    drop(lock);
    assert_eq!(over(&mut stage, &before, RESUME).await, "Completed");
}
