//! The journal is lost for good while a run is in the middle: only its claims on the hosts are left. Whoever comes next is
//! refused and told what to do, does exactly that, and hands over. And a coordinator that was only believed lost can do
//! nothing any more.

use crate::door::Shut;
use crate::records;
use crate::stage::{B, HAND_OVER, RESUME, Stage};
use crate::table::Table;

const HALT: &str = "failover halt val-a val-b";
const HAND_BACK: &str = "failover --primary val-b --backup val-a";

/// How many entries an unbroken run has before the last.
const ENTRIES: u32 = 12;

/// Killed behind so many entries; then the coordinator's whole state directory is gone.
async fn lost(kept: u32, seed: u64) -> String {
    let mut stage = Stage::new(seed).await;
    let before = stage.floors();
    let at = Shut::Entries(kept);
    records::hang_at(&stage.journal(), kept + 1);
    let stored = move |journal: &std::path::Path| kept > 0 && records::entries(journal) >= kept;
    stage.kill_when(HAND_OVER, at, stored).await;
    let run = records::run(&stage.journal()).unwrap();
    std::fs::remove_dir_all(stage.state()).unwrap();
    let told = stage.run(RESUME).await;
    assert_eq!(told.code, Some(1));
    assert!(told.stderr.contains("nothing to resume"), "{}", stage.story());
    let was = stage.shown();
    let held = was.iter().any(|host| host.claim.is_some());
    let told = stage.run(HAND_OVER).await;
    stage.assert_safe(&before);
    if !held {
        stage.assert_true(&told);
        return format!("{} at once", told.json["outcome"].as_str().unwrap());
    }
    // Refused, and told whose claim it is and what to do about it.
    assert_eq!(told.code, Some(1), "{}", stage.story());
    assert_eq!(stage.shown(), was, "{}", stage.story());
    let claims = told.json["guards"]
        .as_array()
        .unwrap()
        .iter()
        .find(|guard| guard["id"] == "claims-free")
        .unwrap();
    assert!(claims["why"].as_str().unwrap().contains(&run), "{claims}");
    assert!(
        claims["remedy"].as_str().unwrap().contains("failover halt A B"),
        "{claims}"
    );
    let halted = stage.run(HALT).await;
    assert_eq!(halted.code, Some(0), "{}", stage.story());
    stage.assert_safe(&before);
    let now = stage.shown();
    assert!(
        now.iter()
            .all(|host| host.barred && !host.lives && host.claim.is_none() && host.work == 0),
        "{now:?}"
    );
    // The papers say who was the signer last; the hand-over begins there.
    let mut told = stage.run(HAND_OVER).await;
    let mut way = "over";
    if told.code == Some(1) {
        assert!(
            told.json["why"].as_str().unwrap().starts_with("roles:"),
            "{}",
            stage.story()
        );
        told = stage.run(HAND_BACK).await;
        way = "back";
    }
    stage.assert_safe(&before);
    stage.assert_true(&told);
    assert_eq!(told.code, Some(0), "{}", stage.story());
    format!(
        "refused > halted > handed {way} > {}",
        told.json["outcome"].as_str().unwrap()
    )
}

/// Proves that a run whose journal is lost at any of its entries leaves a pair that can be handed over again with the
/// commands that the refusal names, and without touching a file on a host.
#[tokio::test(flavor = "multi_thread")]
async fn at_every_entry() {
    let played = (0..=ENTRIES).map(|kept| {
        (
            format!("lost after {kept} entries"),
            lost(kept, 700 + u64::from(kept)),
        )
    });
    let counts = Table::played(played).await.print("journal lost");
    assert_eq!(counts.values().sum::<usize>(), 13);
    assert!(
        counts.keys().all(|key| key.starts_with("completed")),
        "{counts:?}"
    );
}

/// Proves that the claim of a live coordinator stands against another one, and that a halt disarms it for good: its next
/// question (to bar the primary; to start the backup) is on its way while both hosts are halted, and does nothing then.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_coordinator_is_disarmed_by_a_halt() {
    for (seed, entries) in [(800, 2), (801, 10)] {
        let mut stage = Stage::new(seed).await;
        let other = stage.other_desk();
        let before = stage.floors();
        stage.door.hold(entries);
        let mut live = stage.spawn(HAND_OVER);
        stage.until("the question", || stage.door.holds()).await;
        let was = stage.shown();
        let refused = stage.run_at(HAND_OVER, &other).await;
        assert_eq!(refused.code, Some(1), "{}", stage.story());
        assert_eq!(stage.shown(), was, "{}", stage.story());
        let halted = stage.run_at(HALT, &other).await;
        assert_eq!(halted.code, Some(0), "{}", stage.story());
        stage.door.let_go();
        stage.until("its end", || live.ended().is_some()).await;
        let told = stage.over(live);
        stage.assert_safe(&before);
        let hosts = stage.shown();
        let rest = hosts
            .iter()
            .all(|host| host.barred && !host.lives && host.claim.is_none());
        assert!(rest, "{hosts:?}\n{}", stage.story());
        assert_eq!(stage.look(B, |host| host.unit.starts), 0, "never started");
        assert_eq!(told.code, Some(4), "{}", stage.story());
        // It comes to its end as it says, and the other desk hands over.
        let mut told = told;
        for _ in 0..3 {
            let waits = told.json["state"]
                .as_str()
                .is_some_and(|state| state.starts_with("Parked("));
            if !waits {
                break;
            }
            let next = told.json["next"][0].as_str().unwrap().to_owned();
            told = stage.run(&next).await;
        }
        // Over, by its own word: a claim that is gone ends a run.
        assert_eq!(told.json["state"], "Parked", "{}", stage.story());
        let done = stage.run_at(HAND_OVER, &other).await;
        assert_eq!(done.code, Some(0), "{}", stage.story());
        stage.assert_true(&done);
        stage.assert_safe(&before);
    }
}
