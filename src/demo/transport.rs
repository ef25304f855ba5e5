//! The transport of the tests: carries batches to a simulated host without sockets, in virtual time, and loses what a
//! fault plan tells it to lose. What reached the host is carried out there to its end, whoever still waits. It tells the
//! caller no more about a loss than a real connection could.

mod delivery;
mod plan;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::host::{Link, Power};
use super::world::{Asked, World};
use crate::transport::{Batch, Call, ErrorKind, Fetched, Reply, Transport, TransportError};
use delivery::Delivery;

pub use plan::{Ask, Dice, Fate, FaultPlan, Phase};

/// The way to one simulated host.
#[derive(Clone)]
pub struct SimTransport {
    world: Arc<World>,
    position: usize,
    name: String,
    latency: Duration,
    plan: FaultPlan,
    ends_with_line: bool,
    shell: Arc<Mutex<Option<Shell>>>,
}

/// A shell that is held open: of which boot, and the host's uptime at a moment here.
#[derive(Debug, Clone)]
struct Shell {
    boot_id: String,
    uptime_cs: u64,
    read_at: Instant,
}

impl Shell {
    /// The host's uptime at a moment here, as the production transport reckons it.
    fn uptime_at(&self, moment: Instant) -> u64 {
        let passed = moment.saturating_duration_since(self.read_at).as_millis() / 10;
        self.uptime_cs
            .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
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
            ends_with_line: false,
            shell: Arc::default(),
        }
    }

    /// The same way, whose remote shell ends behind the call that it is in when its line is gone. Else it goes on.
    pub fn ending_with_its_line(self) -> SimTransport {
        SimTransport {
            ends_with_line: true,
            ..self
        }
    }

    /// Unix time in the host's world.
    pub fn now(&self) -> Duration {
        self.world.now()
    }

    fn error(&self, kind: ErrorKind, may_have_run: bool) -> TransportError {
        TransportError {
            host: self.name.clone(),
            kind,
            detail: "simulated".to_owned(),
            may_have_run,
        }
    }

    fn held(&self) -> Option<Shell> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, shell: Option<Shell>) {
        *self.shell.lock().unwrap_or_else(PoisonError::into_inner) = shell;
    }

    /// The shell that stands, or a new one. What stands is used though nothing is heard of the host: what is written to
    /// it may arrive later. A new one needs a host that answers, and a dark one takes the whole deadline.
    async fn reach(&self, deadline: Duration) -> Result<Shell, TransportError> {
        let state = self.world.with_host(self.position, |host, now| {
            let shell = Shell {
                boot_id: host.boot_id(),
                uptime_cs: host.uptime_cs(now),
                read_at: Instant::now(),
            };
            (host.power, host.link, host.frozen.is_some(), shell)
        });
        let Some((power, link, frozen, shell)) = state else {
            return Err(self.error(ErrorKind::Unreachable, false));
        };
        let held = self.held().filter(|held| held.boot_id == shell.boot_id);
        let silent = match (power, link) {
            (_, Link::Refusing) => {
                self.hold(None);
                return Err(self.error(ErrorKind::Refused, false));
            }
            (Power::On, Link::Up) => frozen,
            (Power::On | Power::Off | Power::Booting(_), Link::Up | Link::Dark) => true,
        };
        if let Some(held) = held {
            return Ok(held);
        }
        if silent {
            tokio::time::sleep(deadline).await;
            return Err(self.error(ErrorKind::TimedOut, false));
        }
        self.hold(Some(shell.clone()));
        Ok(shell)
    }

    /// Consults the plan. What it comes back with is for the answer.
    async fn meet_fate(&self, number: u64, phase: Phase, calls: &[Call]) -> Result<Fate, TransportError> {
        let fate = self.plan.decide(&Ask {
            host: &self.name,
            number,
            phase,
            calls,
        });
        match (&fate, phase) {
            (Fate::LoseRequest | Fate::SwallowRequest | Fate::Late(_) | Fate::Refuse, Phase::After)
            | (Fate::LoseRequest, Phase::Before)
            | (Fate::LoseReply, Phase::After) => Err(self.error(ErrorKind::Lost, true)),
            (Fate::Delay(by), Phase::Before | Phase::After) => {
                tokio::time::sleep(*by).await;
                Ok(Fate::Deliver)
            }
            (Fate::Hang | Fate::SwallowRequest, Phase::Before)
            | (Fate::Hang | Fate::SwallowReply, Phase::After) => std::future::pending().await,
            (Fate::Refuse, Phase::Before) => Err(self.error(ErrorKind::Refused, false)),
            (Fate::LoseReply | Fate::SwallowReply | Fate::Late(_), Phase::Before)
            | (
                Fate::Deliver | Fate::Garble | Fate::Cut(_) | Fate::Noise(_) | Fate::Stale,
                Phase::Before | Phase::After,
            ) => Ok(fate),
        }
    }

    async fn carry(&self, batch: &Batch, deadline: Duration) -> Result<Reply, TransportError> {
        let give_up = Instant::now() + deadline;
        let number = self.plan.number();
        let before = self.meet_fate(number, Phase::Before, batch).await?;
        let shell = self.reach(deadline).await?;
        let late = if let Fate::Late(by) = before {
            Some(by)
        } else {
            None
        };
        let asked = Asked {
            until_cs: Some(shell.uptime_at(give_up)),
            boot_id: shell.boot_id,
            bars: 0,
        };
        let (answer, answered) = oneshot::channel();
        let delivery = Delivery {
            world: Arc::clone(&self.world),
            position: self.position,
            batch: batch.clone(),
            asked,
            ends_with_line: self.ends_with_line,
        };
        let takes = late.unwrap_or_default() + self.latency / 2;
        tokio::spawn(delivery.carried_out(takes, answer));
        if late.is_some() {
            return Err(self.error(ErrorKind::Lost, true));
        }
        let mut reply = answered.await.map_err(|_| self.error(ErrorKind::Lost, true))?;
        tokio::time::sleep(self.latency / 2).await;
        let after = self.meet_fate(number, Phase::After, batch).await?;
        if before == Fate::LoseReply {
            return Err(self.error(ErrorKind::Lost, true));
        }
        if before == Fate::SwallowReply {
            std::future::pending().await
        }
        for damage in [before, after] {
            reply = wire::damaged(reply, &damage).map_err(|kind| self.error(kind, true))?;
        }
        Ok(reply)
    }
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
        let answer = match tokio::time::timeout(deadline, self.carry(batch, deadline)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.error(ErrorKind::TimedOut, true)),
        };
        if answer.is_err() {
            // It is out of step now.
            self.hold(None);
        }
        answer
    }

    async fn fetch(
        &self,
        path: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        deadline: Duration,
    ) -> Result<Fetched, TransportError> {
        let number = self.plan.number();
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
