//! A batch on its way to a simulated host, and what the held shell does with it there. Goes on whether or not its asker
//! still waits, as a shell does. Must never begin a call that `remote.sh` would not begin.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::demo::host::{Link, Power};
use crate::demo::world::{Asked, World};
use crate::transport::{Batch, Broken, Output, Reply};

/// How often a line that is silent is looked at again.
const LOOK: Duration = Duration::from_millis(100);

/// For how long a network holds what it could not deliver: TCP gives up after about a quarter of an hour.
const HOLDS: Duration = Duration::from_secs(900);

/// One batch for one host.
pub(super) struct Delivery {
    pub(super) world: Arc<World>,
    pub(super) position: usize,
    pub(super) batch: Batch,
    pub(super) asked: Asked,
    /// Whether the shell ends behind the call that it is in once nobody waits for its answer.
    pub(super) ends_with_line: bool,
}

impl Delivery {
    /// Delivers after a while, carries out, and answers whoever still waits.
    pub(super) async fn carried_out(mut self, after: Duration, answer: oneshot::Sender<Reply>) {
        tokio::time::sleep(after).await;
        let Some((machine_id, bars)) = self.heard().await else {
            return;
        };
        // `fo_begin` counts the bars when the batch arrives.
        self.asked.bars = bars;
        if answer.is_closed() {
            self.world.with(|inside, _| inside.counts.begun_unawaited += 1);
        }
        let mut outputs = Vec::with_capacity(self.batch.len());
        let mut broken = Broken::No;
        for call in &self.batch {
            if self.ends_with_line && answer.is_closed() {
                return;
            }
            let carried = self.world.perform_asked(&self.asked, broken, self.position, call);
            let Some(output) = carried.await else { return };
            if output.status != 0 {
                broken = broken.max(call.op.breaks());
            }
            outputs.push(as_framed(output));
        }
        // A host that rebooted in between has lost the shell; one that is cut off is heard when it is not any more.
        if self.heard().await.is_some() {
            // Nobody may wait any more.
            let _ = answer.send(Reply {
                machine_id,
                boot_id: self.asked.boot_id,
                outputs,
            });
        }
    }

    /// Waits until host and line carry something; machine id and number of bars then. None: the shell is gone.
    async fn heard(&self) -> Option<(String, u64)> {
        let give_up = tokio::time::Instant::now() + HOLDS;
        loop {
            let (carries, host) = self.world.with_host(self.position, |host, _| {
                let same = host.power == Power::On && host.boot_id() == self.asked.boot_id;
                let gone = !same || host.link == Link::Refusing;
                let carries = host.link == Link::Up && host.frozen.is_none();
                (carries, (!gone).then(|| (host.machine_id.clone(), host.bars)))
            })?;
            match host {
                None => return None,
                Some(host) if carries => return Some(host),
                Some(_) if tokio::time::Instant::now() >= give_up => return None,
                Some(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// As the frame carries it: every line ends with a newline, the last one too.
fn as_framed(mut output: Output) -> Output {
    for text in [&mut output.stdout, &mut output.stderr] {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    }
    output
}
