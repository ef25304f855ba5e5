//! How a simulated host carries a call out: in the time that it takes there, one change at a time, and nothing that
//! `remote.sh` would not begin because it is late or because the host was barred in between.

use std::time::Duration;

use tokio::time::Instant;

use super::{Inside, When, World};
use crate::demo::host::{Around, Power};
use crate::transport::{Broken, Call, Op, Output};

/// How long a call waits for another one that changes the host.
const TURN: Duration = Duration::from_secs(20);

/// What a held shell knows of the question that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Uptime of the host, hundredths of a second, from which nothing is begun any more.
    pub until_cs: Option<u64>,
    /// The boot in which the shell runs.
    pub boot_id: String,
    /// How often the host had been barred in this boot when the question arrived.
    pub bars: u64,
}

/// How often the host kept a call from being begun, and how often a question was begun that nobody waited for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Batches that began although their asker had given up.
    pub begun_unawaited: u64,
    /// Calls not begun because their deadline had passed on the host.
    pub late: u64,
    /// Unbars and starts not begun because the host was barred since they were asked for.
    pub barred_since: u64,
}

impl World {
    /// One call inside a batch, in which an earlier call may have failed.
    pub async fn perform_unless(&self, broken: Broken, host: usize, call: &Call) -> Option<Output> {
        if call.op.blocked_by(broken) {
            return Some(not_begun(125, "an earlier step of the same batch failed"));
        }
        self.perform(host, call).await
    }

    /// One call, carried out on a host, in the time that it takes there. None: the host gives no answer, because it
    /// is off or cut off, or because the coordinator is to be stopped here.
    pub async fn perform(&self, host: usize, call: &Call) -> Option<Output> {
        self.carried(host, call, None).await
    }

    /// One call of a held shell, under the conditions of the question. None: the shell is gone, or the coordinator is to
    /// be stopped here. A line that is cut does not keep the host from going on.
    pub async fn perform_asked(
        &self,
        asked: &Asked,
        broken: Broken,
        host: usize,
        call: &Call,
    ) -> Option<Output> {
        self.awake(host, asked).await?;
        if self.is_late(host, asked) {
            return Some(late());
        }
        if call.op.blocked_by(broken) {
            return Some(not_begun(125, "an earlier step of the same batch failed"));
        }
        if !takes_turns(call.op) {
            return self.carried(host, call, Some(asked)).await;
        }
        let Ok(_turn) = tokio::time::timeout(TURN, self.turns.get(host)?.lock()).await else {
            return Some(not_begun(124, "another operation of failover runs on this host"));
        };
        self.awake(host, asked).await?;
        if self.is_late(host, asked) {
            return Some(late());
        }
        let barred_since = matches!(call.op, Op::Unbar | Op::Start)
            && self.with_host(host, |host, _| host.bars) != Some(asked.bars);
        if barred_since {
            self.with(|inside, _| inside.counts.barred_since += 1);
            return Some(not_begun(124, "the host was barred since the question was asked"));
        }
        self.carried(host, call, Some(asked)).await
    }

    fn is_late(&self, host: usize, asked: &Asked) -> bool {
        self.with(|inside, now| {
            let uptime = inside.hosts.get(host).map_or(0, |host| host.uptime_cs(now));
            let late = asked.until_cs.is_some_and(|until| uptime >= until);
            inside.counts.late += u64::from(late);
            late
        })
    }

    /// Waits while the host is frozen. None: the boot in which the shell ran is over.
    async fn awake(&self, host: usize, asked: &Asked) -> Option<()> {
        loop {
            let frozen = self.with_host(host, |host, _| {
                let runs = host.power == Power::On && host.boot_id() == asked.boot_id;
                runs.then_some(host.frozen.is_some())
            })??;
            if !frozen {
                return Some(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn carried(&self, host: usize, call: &Call, asked: Option<&Asked>) -> Option<Output> {
        if self.fire(host, call, When::Before) {
            return None;
        }
        if let Some((takes, limit)) = self.time_taken(host, call) {
            tokio::time::sleep(takes.min(limit)).await;
            if takes > limit && call.op == Op::Run {
                let stderr = format!("timeout: sending signal TERM after {} s\n", limit.as_secs());
                return Some(Output {
                    status: 124,
                    stdout: String::new(),
                    stderr,
                });
            }
        }
        let waits = matches!(call.op, Op::AwaitMetric | Op::AwaitHead | Op::AwaitJournal);
        let output = if waits {
            self.wait_for(host, call, asked).await?
        } else {
            self.answer_of(host, call, asked).await?
        };
        if self.fire(host, call, When::After) {
            None
        } else {
            Some(output)
        }
    }

    /// What the host answers; without a shell of its own only while the coordinator reaches it.
    async fn answer_of(&self, host: usize, call: &Call, asked: Option<&Asked>) -> Option<Output> {
        if let Some(asked) = asked {
            self.awake(host, asked).await?;
        }
        self.with(|inside, now| {
            let Inside { hosts, referee, .. } = inside;
            let reached = |host: &&mut crate::demo::host::SimHost| asked.is_some() || host.answers();
            let host = hosts.get_mut(host).filter(reached)?;
            let around = Around {
                now,
                chain: &self.chain,
                referee,
            };
            Some(host.answer(around, call.op, &call.args))
        })
    }

    /// A call that waits on the host: the reading is repeated until it is there or its limit is over.
    async fn wait_for(&self, host: usize, call: &Call, asked: Option<&Asked>) -> Option<Output> {
        let place = if call.op == Op::AwaitHead { 2 } else { 3 };
        let limit = call
            .args
            .get(place)
            .and_then(|limit| limit.parse::<f64>().ok())
            .unwrap_or(0.0);
        let until = Instant::now() + Duration::from_secs_f64(limit.clamp(0.0, 86_400.0));
        loop {
            let output = self.answer_of(host, call, asked).await?;
            if !matches!(output.stdout.as_str(), "seen=no\n" | "head=no\n") || Instant::now() >= until {
                return Some(output);
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    /// How long a call takes on the host, and the limit that it was given there.
    fn time_taken(&self, host: usize, call: &Call) -> Option<(Duration, Duration)> {
        let (timing, slow) = self.with_host(host, |host, _| {
            (host.timing, host.quirks.slow.get(&call.op).copied())
        })?;
        let usual = [
            (Op::Stop, timing.stop),
            (Op::Start, timing.start),
            (Op::Run, timing.run),
        ];
        let usual = usual
            .into_iter()
            .find(|(op, _)| *op == call.op)
            .map(|(_, takes)| takes);
        let limit = usual.and_then(|_| call.args.get(1)?.parse().ok());
        let limit = limit.map_or(Duration::MAX, Duration::from_secs);
        match (usual, slow) {
            (None, None) => None,
            (usual, slow) => Some((usual.unwrap_or_default() + slow.unwrap_or_default(), limit)),
        }
    }

    /// Fires the triggers of a call; true when one of them stops the coordinator.
    fn fire(&self, host: usize, call: &Call, when: When) -> bool {
        let mut kills = false;
        self.with(|inside, now| {
            while let Some(position) = inside
                .triggers
                .iter()
                .position(|trigger| trigger.host == host && trigger.when == when && (trigger.on)(call))
            {
                let trigger = inside.triggers.remove(position);
                (trigger.action)(&mut inside.hosts, now);
                kills |= trigger.kills_coordinator;
            }
        });
        if kills {
            self.killed.send_modify(|stops| *stops += 1);
        }
        kills
    }
}

/// What `remote.sh` does under one lock.
fn takes_turns(op: Op) -> bool {
    matches!(
        op,
        Op::Claim
            | Op::Release
            | Op::Generation
            | Op::Bar
            | Op::Unbar
            | Op::Start
            | Op::Put
            | Op::PutBack
            | Op::Archive
    )
}

fn late() -> Output {
    not_begun(124, "the deadline of the question had passed on the host")
}

fn not_begun(status: i32, why: &str) -> Output {
    Output {
        status,
        stdout: String::new(),
        stderr: format!("not begun: {why}\n"),
    }
}
