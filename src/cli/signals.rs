//! Ctrl-C and SIGTERM: the first asks the run to park at the next safe point, the second leaves at once. A dropped
//! terminal (SIGHUP) does not stop a run: going on to its end is safer than stopping in the middle, and the journal
//! has the outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::printing::err_line;

/// Exit code of a process that left at once.
const LEFT: i32 = 130;

/// Starts to listen; the flag is set by the first signal. `run` is named in what is printed.
pub fn listen(run: &str) -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let (mut interrupt, mut terminate, mut hangup) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    let (set, run) = (Arc::clone(&flag), run.to_owned());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => {
                    tracing::warn!("the terminal is gone; the run goes on, see failover status");
                    continue;
                }
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if set.swap(true, Ordering::SeqCst) {
                err_line(&format!(
                    "left at once. The journal has what was done: failover resume {run}"
                ));
                std::process::exit(LEFT);
            }
            err_line("stopping at the next safe point; once more leaves at once (failover resume goes on)");
        }
    });
    Ok(flag)
}
