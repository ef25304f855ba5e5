//! Killed at every append and at every question of a run, then resumed by a new process.

use std::path::Path;

use crate::door::{Question, Shut};
use crate::hosts::Floors;
use crate::records;
use crate::stage::{B, HAND_OVER, RESUME, Stage, Told};
use crate::table::Table;

/// A run that goes straight, and those that end otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Nothing is wrong.
    Healthy,
    /// The backup's import leaves a key out: the primary is given back.
    Undo,
    /// The backup's validator ends when it is started: it is stopped and barred.
    Halt,
}

impl Scene {
    async fn stage(self, seed: u64) -> Stage {
        let stage = Stage::new(seed).await;
        match self {
            Scene::Healthy => (),
            Scene::Undo => stage.change(B, |host| host.quirks.import_drops_key = Some(1)),
            Scene::Halt => stage.change(B, |host| host.quirks.start_fails = true),
        }
        stage
    }
}

/// Where the coordinator is killed.
#[derive(Debug, Clone, Copy)]
enum At {
    /// In the middle of the append of an entry.
    Append(u32),
    /// When an entry is on disk, before anything else is done.
    Stored(u32),
    /// At a question.
    Question(Shut),
}

/// An unbroken run: what it appends and asks, and how it leaves the hosts.
struct Unbroken {
    entries: u32,
    events: Vec<String>,
    questions: Vec<Question>,
    end: String,
}

async fn unbroken(scene: Scene) -> Unbroken {
    let mut stage = scene.stage(1).await;
    let before = stage.floors();
    let told = stage.run(HAND_OVER).await;
    stage.assert_safe(&before);
    stage.assert_true(&told);
    let lines = records::lines(&stage.journal());
    Unbroken {
        entries: u32::try_from(lines.len()).unwrap(),
        events: lines.into_iter().map(|line| line.event).collect(),
        questions: stage.door.questions(),
        end: end(&stage),
    }
}

/// How a run left the hosts, without what differs from one run to the next.
fn end(stage: &Stage) -> String {
    let [a, b] = stage
        .shown()
        .map(|host| (host.serves, host.barred, host.generation));
    format!("{a:?} {b:?}")
}

/// One point: kill, then go on as the program says until the run is over. None: the run was over before it came there.
async fn play(scene: Scene, at: At, seed: u64) -> Option<(String, String)> {
    let mut stage = scene.stage(seed).await;
    let before = stage.floors();
    let killed = match at {
        At::Append(seq) => {
            records::hang_at(&stage.journal(), seq);
            let hangs = |journal: &Path| records::hangs_at(journal, seq);
            stage.kill_when(HAND_OVER, Shut::Never, hangs).await
        }
        At::Stored(seq) => {
            records::hang_at(&stage.journal(), seq + 1);
            let stored = |journal: &Path| records::entries(journal) >= seq;
            stage.kill_when(HAND_OVER, Shut::Entries(seq), stored).await
        }
        At::Question(shut) => stage.kill_when(HAND_OVER, shut, |_| false).await,
    };
    let stored = records::entries(&stage.journal());
    match at {
        At::Append(seq) => assert_eq!(stored, seq - 1, "{}", stage.story()),
        At::Stored(seq) => assert_eq!(stored, seq, "{}", stage.story()),
        // Behind the last answer comes nothing but the end.
        At::Question(Shut::Answered(..)) => (),
        At::Question(_) if killed.is_none() => return None,
        At::Question(_) => (),
    }
    stage.assert_safe(&before);
    // The command of the run itself, given again, goes on as well as resume does.
    let live = records::lines(&stage.journal())
        .last()
        .is_none_or(|line| !line.state.ends_with("ed"));
    let again = live && seed.is_multiple_of(2);
    let path = over(&mut stage, &before, if again { HAND_OVER } else { RESUME }).await;
    Some((path, end(&stage)))
}

/// The same on up to five stages: how often a watch asks depends on when its slots begin.
async fn played(scene: Scene, at: At, seed: u64) -> (String, String) {
    for again in 0..5 {
        if let Some(played) = play(scene, at, seed + 1000 * again).await {
            return played;
        }
    }
    panic!("{at:?} was never reached");
}

/// Gives that command, then those that the program prints, until the run is over.
pub async fn over(stage: &mut Stage, before: &Floors, first: &str) -> String {
    let mut told = stage.run(first).await;
    if told.stderr.contains("there is nothing to resume") {
        told = stage.run("failover report").await;
        // A report says what came of a run, and ends with 0 itself.
        let codes = [
            ("completed", 0),
            ("restored", 3),
            ("parked", 4),
            ("refused", 1),
            ("unconfirmed", 6),
        ];
        let code = codes.iter().find(|(word, _)| told.json["outcome"] == *word);
        told.code = code.map(|(_, code)| *code);
    }
    followed(stage, before, told).await
}

/// Goes on from what the program has said with the first command that it prints, until the run is over.
pub async fn followed(stage: &mut Stage, before: &Floors, mut told: Told) -> String {
    let mut path = Vec::new();
    for _ in 0..5 {
        stage.assert_safe(before);
        stage.assert_true(&told);
        path.push(told.json["state"].as_str().unwrap().to_owned());
        if !told.waits() {
            return path.join(" > ");
        }
        told = stage.run(&told.next()).await;
    }
    panic!("the printed commands lead nowhere: {path:?}\n{}", stage.story());
}

/// Every point of a scene: each append, and each question before, in the middle and after.
async fn every_point(scene: Scene, questions: bool) -> Table {
    let unbroken = unbroken(scene).await;
    let mut points = Vec::new();
    for seq in 1..=unbroken.entries {
        let event = &unbroken.events[seq as usize - 1];
        points.push((format!("append {seq} {event}: in it"), At::Append(seq)));
        points.push((format!("append {seq} {event}: after it"), At::Stored(seq)));
    }
    for question in unbroken.questions.iter().filter(|_| questions) {
        let (host, number) = (question.host, question.number);
        let asked: Vec<&str> = question.asked.iter().map(|op| op.name()).collect();
        let mut name = format!("{} {number} {}", ["val-a", "val-b"][host], asked.join("+"));
        name.truncate(50);
        points.push((format!("{name}: before"), At::Question(Shut::Asked(host, number))));
        points.push((
            format!("{name}: during"),
            At::Question(Shut::Carried(host, number)),
        ));
        points.push((
            format!("{name}: after"),
            At::Question(Shut::Answered(host, number)),
        ));
    }
    let played = points.into_iter().enumerate().map(|(number, (name, at))| {
        let wanted = unbroken.end.clone();
        let seed = 100 + number as u64;
        let play = async move {
            let (path, end) = played(scene, at, seed).await;
            assert_eq!(end, wanted, "{at:?}: {path}");
            path
        };
        (name, play)
    });
    Table::played(played).await
}

/// Proves that a coordinator that is killed at any append or question of a healthy run leaves the hosts safe, and that a
/// new process brings them to where the unbroken run brings them.
#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_run() {
    let counts = every_point(Scene::Healthy, true)
        .await
        .print("killed in a healthy run");
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["Completed"]);
    assert!(counts["Completed"] >= 100, "{counts:?}");
}

/// Proves the same at every append of a run that is undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_undone() {
    let counts = every_point(Scene::Undo, false)
        .await
        .print("killed in a run that is undone");
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["Restored"]);
}

/// Proves the same at every append of a run that has to stop the backup again.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_halted() {
    let counts = every_point(Scene::Halt, false)
        .await
        .print("killed in a run that is halted");
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["Parked"]);
}

/// Proves that the first command which is printed after a halt leads to a hand-over, once what was in the way is gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_on_from_a_halt() {
    let mut stage = Scene::Halt.stage(90).await;
    let before = stage.floors();
    let told = stage.run(HAND_OVER).await;
    stage.assert_true(&told);
    assert_eq!(told.json["state"], "Parked", "{}", stage.story());
    stage.change(B, |host| host.quirks.start_fails = false);
    let done = stage.run(&told.next()).await;
    stage.assert_safe(&before);
    stage.assert_true(&done);
    assert_eq!(done.code, Some(0), "{}", stage.story());
}

/// Proves the same at every question of the runs that end otherwise.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute each: cargo test --test kill -- --ignored --nocapture"]
async fn every_question_of_the_other_runs() {
    for (scene, wanted) in [(Scene::Undo, "Restored"), (Scene::Halt, "Parked")] {
        let counts = every_point(scene, true)
            .await
            .print(&format!("killed in {scene:?}"));
        assert_eq!(counts.keys().collect::<Vec<_>>(), [wanted]);
    }
}
