//! Live progress on stderr: on a terminal a line that moves (state, what is waited for, seconds without a signer),
//! otherwise one plain line per event. Must never write to stdout.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::printing::err_line;
use crate::driver::Progress;
use crate::journal::Record;
use crate::protocol::{Command, Event, State};

/// Shows a run on stderr.
pub struct Shown {
    bar: Option<ProgressBar>,
    began: Instant,
    unsigned_since: Arc<Mutex<Option<Instant>>>,
}

impl Shown {
    /// For this process's stderr.
    pub fn new() -> Shown {
        let unsigned_since: Arc<Mutex<Option<Instant>>> = Arc::default();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]{unsigned}") {
                let since = Arc::clone(&unsigned_since);
                bar.set_style(
                    style.with_key("unsigned", move |_: &ProgressState, text: &mut dyn Write| {
                        let since = *since.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                        if let Some(since) = since {
                            let _ = write!(text, ", {:.0} s without a signer", since.elapsed().as_secs_f64());
                        }
                    }),
                );
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Shown {
            bar,
            began: Instant::now(),
            unsigned_since,
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => err_line(text),
        }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Shown {
    fn begins(&self, state: State, command: Command) {
        if command == Command::StopPrimary {
            let mut since = self
                .unsigned_since
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            since.get_or_insert_with(Instant::now);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{state}: {}", doing(command)));
            bar.reset_elapsed();
        }
    }

    fn learnt(&self, record: &Record, state: State) {
        let at = self.began.elapsed().as_secs_f64();
        self.line(&format!(
            "{at:7.2} s  {:<18} {} -> {state}",
            record.event.name(),
            record.why
        ));
        if matches!(record.event, Event::AttestationSeen | Event::PrimaryRestored) {
            let mut since = self
                .unsigned_since
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            *since = None;
        }
    }
}

/// What is being waited for.
fn doing(command: Command) -> &'static str {
    match command {
        Command::CheckEverything => "looking at both hosts, judging every guard",
        Command::ClaimBoth => "claiming both hosts",
        Command::BarPrimary => "barring the primary",
        Command::StopPrimary => "stopping the primary's validator",
        Command::ProveStopped => "reading the primary until it is proven stopped",
        Command::CollectProtection => "collecting slashing protection from both hosts",
        Command::MergeProtection => "merging floors",
        Command::ImportProtection => "importing into the backup",
        Command::ReadBackProtection => "reading the backup's database back",
        Command::JudgeStart => "judging every guard again",
        Command::StartBackup => "starting the backup's validator",
        Command::LookAtBackup => "looking what became of the start",
        Command::Watch => "waiting for the backup's first attestation, and for a block that holds it",
        Command::HaltBackup => "stopping and barring the backup",
        Command::BarBackup => "making sure of the backup",
        Command::RestorePrimary => "giving the primary its right to sign back",
        Command::ReleaseClaims => "taking the claims away",
    }
}
