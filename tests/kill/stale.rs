//! The journal is put back from an old copy while the hosts have gone on: the run that it believes in the middle is over.
//! Whoever resumes it must not touch the signer, must tell what is so, and must come to an end.

use crate::records;
use crate::stage::{B, HAND_OVER, RESUME, Stage};
use crate::table::Table;

/// The way back.
const HAND_BACK: &str = "failover --primary val-b --backup val-a";

/// What happened since the copy was taken.
#[derive(Debug, Clone, Copy)]
struct Since {
    name: &'static str,
    prepare: fn(&Stage),
    /// How many entries the run has when it is over.
    entries: u32,
    /// Behind which of them a copy is taken by default; the others with `--ignored`.
    copies: &'static [u32],
    commands: &'static [&'static str],
}

/// Every entry of a healthy run but the last.
const EVERY: [u32; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

const SINCE: [Since; 5] = [
    Since {
        name: "completed",
        prepare: |_| (),
        entries: 13,
        copies: &EVERY,
        commands: &[],
    },
    Since {
        name: "restored",
        prepare: |stage| stage.change(B, |host| host.quirks.import_drops_key = Some(1)),
        entries: 12,
        copies: &[0, 1, 2, 5, 9, 10, 11],
        commands: &[],
    },
    Since {
        name: "halted",
        prepare: |stage| stage.change(B, |host| host.quirks.start_fails = true),
        entries: 13,
        copies: &[1, 2, 9, 10, 11, 12],
        commands: &[],
    },
    Since {
        name: "completed, handed back",
        prepare: |_| (),
        entries: 13,
        copies: &[0, 1, 2, 10, 11, 12],
        commands: &[HAND_BACK],
    },
    Since {
        name: "completed, handed back and over",
        prepare: |_| (),
        entries: 13,
        copies: &[0, 1, 2, 10, 11, 12],
        commands: &[HAND_BACK, HAND_OVER],
    },
];

/// One copy: the run goes to its end, others follow, the journal as it was after `kept` entries comes back.
async fn played(since: Since, kept: u32, seed: u64) -> String {
    let mut stage = Stage::new(seed).await;
    (since.prepare)(&stage);
    let told = stage.run(HAND_OVER).await;
    stage.assert_true(&told);
    assert_eq!(
        records::entries(&stage.journal()),
        since.entries,
        "{}",
        stage.story()
    );
    let copy = records::copy(&stage.journal());
    for line in since.commands {
        let told = stage.run(line).await;
        stage.assert_true(&told);
        assert_eq!(told.code, Some(0), "{}", stage.story());
    }
    let (before, was) = (stage.floors(), stage.shown());
    records::put_back(&stage.journal(), &copy, kept);
    let told = stage.run(RESUME).await;
    stage.assert_safe(&before);
    assert_eq!(stage.shown(), was, "a host was touched\n{}", stage.story());
    let word = |key: &str| told.json[key].as_str().unwrap_or("nothing").to_owned();
    let (outcome, why) = (word("outcome"), word("why"));
    match outcome.as_str() {
        // What it refuses, it leaves as it is, and it names no signer.
        "refused" => {
            assert_eq!(told.code, Some(1), "{}", stage.story());
            assert!(told.json["signer"].is_null(), "{:#?}", told.json);
        }
        _ => stage.assert_true(&told),
    }
    // The pair is free again: the stale run is over for this journal, too.
    let status = stage.run("failover status").await;
    assert_eq!(status.json["live"], serde_json::json!([]), "{}", stage.story());
    let signs = was.each_ref().map(|host| host.serves);
    let back = if signs[B] { HAND_BACK } else { HAND_OVER };
    // It ends as that hand-over ends on these hosts: what stood in its way before still does.
    let told = stage.run(back).await;
    stage.assert_safe(&before);
    let handed = told.json["outcome"].as_str().unwrap_or("nothing").to_owned();
    assert_ne!(told.json["run"], serde_json::Value::Null, "{}", stage.story());
    // Runs have names of their own, slots are those of the moment.
    let why: Vec<&str> = why.split(|c: char| c.is_ascii_digit()).collect();
    format!(
        "{:<60} > {outcome}, then {handed}",
        why.join("").chars().take(60).collect::<String>()
    )
}

async fn copies(of: impl Fn(&Since) -> Vec<u32>) -> Table {
    let points = SINCE
        .iter()
        .flat_map(|since| of(since).into_iter().map(move |kept| (*since, kept)));
    let played = points.enumerate().map(|(number, (since, kept))| {
        let name = format!("{}, copy after {kept} entries", since.name);
        (name, played(since, kept, 500 + number as u64))
    });
    Table::played(played).await
}

/// Proves that a copy of the journal, taken after any event of a run, makes no resume touch a host once the run is over:
/// it is noticed, the run ends in the journal, and the pair can be handed over again.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_run_that_went_on() {
    let counts = copies(|since| since.copies.to_vec())
        .await
        .print("journal put back from an old copy");
    assert_eq!(counts.values().sum::<usize>(), 38);
}

/// Proves the same for every event of every such run.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: cargo test --test kill -- --ignored --nocapture"]
async fn every_copy_of_every_run() {
    let counts = copies(|since| (0..since.entries).collect())
        .await
        .print("journal put back from any old copy");
    assert_eq!(counts.values().sum::<usize>(), 64);
}
