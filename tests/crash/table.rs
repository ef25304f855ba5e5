//! Collects what came of each point and prints it.

use std::collections::BTreeMap;

use failover::protocol::{Event, State};

use crate::support::truth::Before;
use crate::support::{How, Rig};

/// Points and outcomes.
#[derive(Default)]
pub struct Table {
    rows: Vec<(String, String)>,
}

impl Table {
    /// One more point.
    pub fn add(&mut self, point: String, outcome: String) {
        self.rows.push((point, outcome));
    }

    /// Prints all rows, and how often each last outcome came.
    pub fn print(&self, title: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        println!("{title}");
        for (point, outcome) in &self.rows {
            println!("  {point:<44} {outcome}");
            let last = outcome.rsplit(" > ").next().unwrap_or_default();
            *counts.entry(last.to_owned()).or_insert(0) += 1;
        }
        println!("  {} points: {counts:?}", self.rows.len());
        counts
    }
}

/// Counts, as the tests expect them.
pub fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected
        .iter()
        .map(|(outcome, count)| ((*outcome).to_owned(), *count))
        .collect()
}

/// Drives a run that died or parked to where a person would leave it: resumes until it ends, or parks twice alike.
pub async fn resumed(rig: &Rig, run: &str, first: Option<State>, before: &Before, told: &str) -> String {
    let mut path: Vec<String> = first.iter().map(ToString::to_string).collect();
    let mut last = first;
    for _ in 0..4 {
        if let Some(state) = last {
            rig.assert_safe(run, state, before, told);
            if matches!(state, State::Ended(_)) {
                break;
            }
        }
        rig.pass(20).await;
        let state = rig.resume_with(run, Event::Resumed, How::default()).await;
        let state = state.unwrap_or_else(|error| panic!("{told}: {error}\n{}", rig.story(run)));
        path.push(state.to_string());
        if last == Some(state) {
            break;
        }
        last = Some(state);
    }
    rig.pass(30).await;
    if let Some(state) = last {
        rig.assert_safe(run, state, before, told);
    }
    path.join(" > ")
}
