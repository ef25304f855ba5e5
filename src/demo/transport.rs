//! The transport of the tests: carries batches to a simulated host without sockets, in virtual time, and loses what a
//! fault plan tells it to lose. It tells the caller no more about a loss than a real connection could.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::host::{Link, Power};
use super::world::World;
use crate::transport::{Batch, Broken, Call, ErrorKind, Fetched, Output, Reply, Transport, TransportError};

/// What becomes of an ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nothing goes wrong.
    Deliver,
    /// It never arrives. The caller cannot know that.
    LoseRequest,
    /// It is carried out, and the answer never arrives.
    LoseReply,
    /// It is held up for this long, then goes on.
    Delay(Duration),
    /// It is carried out, and the answer does not parse.
    Garble,
    /// The connection is refused: it certainly was not carried out.
    Refuse,
    /// The coordinator is killed here: the ask never returns. Before: not carried out; after: carried out.
    Hang,
}

/// At which point of an ask the plan is consulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the batch is carried out.
    Before,
    /// After it was carried out. Losing the request or refusing is no longer possible, and means losing the reply.
    After,
}

/// One ask, as a fault plan sees it.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The host.
    pub host: &'a str,
    /// Counts the asks of all transports that share the plan, from 0.
    pub number: u64,
    /// Before or after.
    pub phase: Phase,
    /// What is asked; empty for a fetch.
    pub calls: &'a [Call],
}

type Decide = dyn FnMut(&Ask<'_>) -> Fate + Send;

/// Decides the fate of asks; shared by the transports of one run, which count their asks together.
#[derive(Clone)]
pub struct FaultPlan {
    decide: Arc<Mutex<Decide>>,
    asks: Arc<AtomicU64>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> FaultPlan {
        FaultPlan::new(|_| Fate::Deliver)
    }

    /// A closure decides.
    pub fn new(decide: impl FnMut(&Ask<'_>) -> Fate + Send + 'static) -> FaultPlan {
        FaultPlan {
            decide: Arc::new(Mutex::new(decide)),
            asks: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Drawn from a seed: about `per_mille` of a thousand asks meet a fault of any kind but `Hang`.
    pub fn seeded(seed: u64, per_mille: u64) -> FaultPlan {
        let mut dice = Dice(seed);
        FaultPlan::new(move |_| {
            // Half at each phase, so that the two together come to what was asked for.
            if dice.below(2_000) >= per_mille {
                return Fate::Deliver;
            }
            match dice.below(5) {
                0 => Fate::LoseRequest,
                1 => Fate::LoseReply,
                2 => Fate::Delay(Duration::from_millis(dice.below(3_000))),
                3 => Fate::Garble,
                _ => Fate::Refuse,
            }
        })
    }

    /// How many asks there were so far.
    pub fn asks(&self) -> u64 {
        self.asks.load(Ordering::Relaxed)
    }

    fn fate(&self, ask: &Ask<'_>) -> Fate {
        let mut decide = self.decide.lock().unwrap_or_else(PoisonError::into_inner);
        decide(ask)
    }
}

/// A small generator of random numbers (splitmix64): equal seeds, equal numbers.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number below a limit (which must not be 0).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

/// The way to one simulated host.
#[derive(Clone)]
pub struct SimTransport {
    world: Arc<World>,
    position: usize,
    name: String,
    latency: Duration,
    plan: FaultPlan,
}

impl SimTransport {
    /// The way to the host at a position of the world; latency is for a whole round trip.
    pub fn new(world: Arc<World>, position: usize, latency: Duration, plan: FaultPlan) -> SimTransport {
        let name = world.with_host(position, |host, _| host.name.clone());
        SimTransport {
            name: name.unwrap_or_else(|| "no-such-host".to_owned()),
            world,
            position,
            latency,
            plan,
        }
    }

    fn error(&self, kind: ErrorKind, may_have_run: bool) -> TransportError {
        TransportError {
            host: self.name.clone(),
            kind,
            detail: "simulated".to_owned(),
            may_have_run,
        }
    }

    /// Whether the host can be reached, as a connection attempt finds out. A dark host takes the whole deadline.
    async fn reach(&self, deadline: Duration) -> Result<(), TransportError> {
        let state = self
            .world
            .with_host(self.position, |host, _| (host.power, host.link));
        match state {
            None => Err(self.error(ErrorKind::Unreachable, false)),
            Some((_, Link::Refusing)) => Err(self.error(ErrorKind::Refused, false)),
            Some((Power::On, Link::Up)) => Ok(()),
            Some((Power::On | Power::Off | Power::Booting(_), Link::Up | Link::Dark)) => {
                tokio::time::sleep(deadline).await;
                Err(self.error(ErrorKind::TimedOut, false))
            }
        }
    }

    /// Consults the plan. `Ok(true)`: garble the answer.
    async fn meet_fate(&self, number: u64, phase: Phase, calls: &[Call]) -> Result<Fate, TransportError> {
        let fate = self.plan.fate(&Ask {
            host: &self.name,
            number,
            phase,
            calls,
        });
        match (&fate, phase) {
            (Fate::Deliver | Fate::LoseReply | Fate::Garble, Phase::Before) => Ok(fate),
            (Fate::Deliver | Fate::Garble, Phase::After) => Ok(fate),
            (Fate::Delay(by), Phase::Before | Phase::After) => {
                tokio::time::sleep(*by).await;
                Ok(Fate::Deliver)
            }
            (Fate::Hang, Phase::Before | Phase::After) => std::future::pending().await,
            (Fate::Refuse, Phase::Before) => Err(self.error(ErrorKind::Refused, false)),
            (Fate::LoseRequest, Phase::Before)
            | (Fate::LoseRequest | Fate::LoseReply | Fate::Refuse, Phase::After) => {
                Err(self.error(ErrorKind::Lost, true))
            }
        }
    }

    async fn carry(&self, batch: &Batch, deadline: Duration) -> Result<Reply, TransportError> {
        let number = self.plan.asks.fetch_add(1, Ordering::Relaxed);
        let before = self.meet_fate(number, Phase::Before, batch).await?;
        self.reach(deadline).await?;
        tokio::time::sleep(self.latency / 2).await;
        let (machine_id, boot_id) = self.identity().ok_or_else(|| self.error(ErrorKind::Lost, true))?;
        let mut outputs = Vec::with_capacity(batch.len());
        let mut broken = Broken::No;
        for call in batch {
            match self.world.perform_unless(broken, self.position, call).await {
                Some(output) => {
                    if output.status != 0 {
                        broken = broken.max(call.op.breaks());
                    }
                    outputs.push(as_framed(output));
                }
                None => return Err(self.error(ErrorKind::Lost, true)),
            }
        }
        // A host that rebooted in between has lost the shell.
        if self.identity().is_none_or(|(_, boot)| boot != boot_id) {
            return Err(self.error(ErrorKind::Lost, true));
        }
        tokio::time::sleep(self.latency / 2).await;
        let after = self.meet_fate(number, Phase::After, batch).await?;
        if before == Fate::LoseReply {
            return Err(self.error(ErrorKind::Lost, true));
        }
        if before == Fate::Garble || after == Fate::Garble {
            return Err(self.error(ErrorKind::Garbled, true));
        }
        Ok(Reply {
            machine_id,
            boot_id,
            outputs,
        })
    }

    /// Machine and boot id, while the host answers.
    fn identity(&self) -> Option<(String, String)> {
        self.world
            .with_host(self.position, |host, _| {
                host.answers().then(|| (host.machine_id.clone(), host.boot_id()))
            })
            .flatten()
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

#[async_trait::async_trait]
impl Transport for SimTransport {
    fn host(&self) -> &str {
        &self.name
    }

    async fn connect(&self, deadline: Duration) -> Result<(), TransportError> {
        self.reach(deadline).await?;
        tokio::time::sleep(self.latency).await;
        Ok(())
    }

    async fn ask(&self, batch: &Batch, deadline: Duration) -> Result<Reply, TransportError> {
        match tokio::time::timeout(deadline, self.carry(batch, deadline)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.error(ErrorKind::TimedOut, true)),
        }
    }

    async fn fetch(
        &self,
        path: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        deadline: Duration,
    ) -> Result<Fetched, TransportError> {
        let number = self.plan.asks.fetch_add(1, Ordering::Relaxed);
        let before = self.meet_fate(number, Phase::Before, &[]).await?;
        self.reach(deadline).await?;
        tokio::time::sleep(self.latency).await;
        let content = self
            .world
            .with_host(self.position, |host, _| host.fetchable(path))
            .flatten();
        let content = content.ok_or_else(|| TransportError {
            detail: format!("{path}: No such file or directory"),
            ..self.error(ErrorKind::Garbled, false)
        })?;
        let after = self.meet_fate(number, Phase::After, &[]).await?;
        if before != Fate::Deliver || after != Fate::Deliver {
            return Err(self.error(ErrorKind::Lost, false));
        }
        into.write_all(&content).await.map_err(|error| TransportError {
            detail: format!("writing what was fetched: {error}"),
            ..self.error(ErrorKind::Lost, false)
        })?;
        Ok(Fetched {
            bytes: content.len() as u64,
            sha256: const_hex::encode(Sha256::digest(&content)),
        })
    }

    async fn close(&self) {}
}
