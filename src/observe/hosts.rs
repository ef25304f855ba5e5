//! The two hosts and their links: asking with patience, side by side, and counting sequential round trips.
//! Must never take a lost line for an answer, and never try again what another try cannot change.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::clients::Install;
use crate::config::{HostPlan, Plan, Timeouts};
use crate::guards::Role;
use crate::transport::{Batch, ErrorKind, Reply, Transport, TransportError};

/// One host of the pair.
pub struct Host {
    /// Which of the two.
    pub role: Role,
    /// What the configuration says of it.
    pub plan: HostPlan,
    /// How it is asked.
    pub link: Arc<dyn Transport>,
    /// Its validator as found on the host; none before discovery, or why it was not found.
    pub install: Result<Install, String>,
    /// Why it could not be reached when the connections were opened; questions that are asked only once fail at once
    /// then, so that an unreachable host is refused in the time of one attempt.
    unreachable: Mutex<Option<TransportError>>,
    /// The machine that was judged in the preflight; no other may answer in its name afterwards.
    pub machine_id: Option<String>,
}

impl Host {
    /// A host that has not been looked at.
    pub fn new(role: Role, plan: HostPlan, link: Arc<dyn Transport>) -> Host {
        Host {
            role,
            plan,
            link,
            install: Err("the host has not been looked at".to_owned()),
            unreachable: Mutex::new(None),
            machine_id: None,
        }
    }

    /// Remembers how the last attempt to open the connection ended, until the host answers.
    fn reached(&self, error: Option<TransportError>) {
        *self
            .unreachable
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = error;
    }

    fn unreachable(&self) -> Option<TransportError> {
        self.unreachable
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    /// The name that the operator gave.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The answer, if it comes from the machine that was judged. An address may lead elsewhere after a reconnect.
    fn recognised(&self, reply: Reply) -> Result<Reply, TransportError> {
        match &self.machine_id {
            Some(expected) if *expected != reply.machine_id => Err(TransportError {
                host: self.plan.name.clone(),
                kind: ErrorKind::OtherMachine,
                detail: format!(
                    "another machine answers in its name: {}, not {expected}",
                    reply.machine_id
                ),
                may_have_run: true,
            }),
            Some(_) | None => Ok(reply),
        }
    }

    /// Its validator, or an error that names the host.
    pub fn installed(&self) -> Result<&Install, String> {
        self.install
            .as_ref()
            .map_err(|why| format!("{}: {why}", self.plan.name))
    }
}

/// For how long a lost line is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Once: before anything was touched, a host that does not answer is a refusal.
    Once,
    /// As long as `timeouts.retry_s`: in mid-run a reconnect may still save the run.
    Retry,
}

/// Both hosts and the limits for asking them.
pub struct Hosts {
    /// The host that signs now.
    pub primary: Host,
    /// The host that is to sign.
    pub backup: Host,
    /// Limits in seconds.
    pub timeouts: Timeouts,
    clock: Clock,
    round_trips: AtomicU32,
}

/// An answer and when it was asked and had, Unix seconds of the coordinator: of the try that brought it, and of this
/// host alone, however long the other one takes.
pub struct Timed {
    /// The answer.
    pub reply: Reply,
    /// When it was asked.
    pub sent_s: f64,
    /// When it had come.
    pub received_s: f64,
}

/// The coordinator's clock, Unix seconds. The system's, except where simulated hosts have their own time.
pub type Clock = Arc<dyn Fn() -> f64 + Send + Sync>;

impl Hosts {
    /// The hosts of a plan over these links.
    pub fn new(plan: &Plan, primary: Arc<dyn Transport>, backup: Arc<dyn Transport>) -> Hosts {
        Hosts {
            primary: Host::new(Role::Primary, plan.primary.clone(), primary),
            backup: Host::new(Role::Backup, plan.backup.clone(), backup),
            timeouts: plan.timeouts.clone(),
            clock: Arc::new(|| jiff::Timestamp::now().as_duration().as_secs_f64()),
            round_trips: AtomicU32::new(0),
        }
    }

    /// The same hosts under another clock.
    pub fn with_clock(self, clock: Clock) -> Hosts {
        Hosts { clock, ..self }
    }

    /// Now, Unix seconds of the coordinator.
    pub fn now_s(&self) -> f64 {
        (self.clock)()
    }

    /// The host of a role.
    pub fn host(&self, role: Role) -> &Host {
        match role {
            Role::Primary => &self.primary,
            Role::Backup => &self.backup,
        }
    }

    /// One question to one host, once, that has to be over in so many seconds; the host begins nothing later than that.
    pub async fn ask_until(&self, role: Role, batch: &Batch, seconds: f64) -> Result<Reply, TransportError> {
        let host = self.host(role);
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let answered = host
            .link
            .ask(batch, Duration::from_secs_f64(seconds.max(0.0)))
            .await;
        answered.and_then(|reply| host.recognised(reply))
    }

    /// One question, once, that runs beside counted ones and is not counted itself.
    pub async fn ask_beside(&self, role: Role, batch: &Batch, limit_s: u64) -> Result<Reply, TransportError> {
        let (answer, _) = self.tried(role, batch, limit_s, Patience::Once).await;
        answer.map(|answer| answer.reply)
    }

    /// From now on only this machine may answer for a role.
    pub fn accept_only(&mut self, role: Role, machine_id: &str) {
        match role {
            Role::Primary => self.primary.machine_id = Some(machine_id.to_owned()),
            Role::Backup => self.backup.machine_id = Some(machine_id.to_owned()),
        }
    }

    /// Sequential round trips so far; two hosts asked side by side count once, connecting does not count.
    pub fn round_trips(&self) -> u32 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Opens both connections side by side. A failure shows again, with its reason, at the first question.
    pub async fn connect(&self) {
        let deadline = Duration::from_secs(self.timeouts.connect_s);
        let (a, b) = tokio::join!(
            self.primary.link.connect(deadline),
            self.backup.link.connect(deadline)
        );
        self.primary.reached(a.err());
        self.backup.reached(b.err());
    }

    /// One question to one host. `limit_s` is what the commands in the batch may take on the host.
    pub async fn ask(
        &self,
        role: Role,
        batch: &Batch,
        limit_s: u64,
        patience: Patience,
    ) -> Result<Reply, TransportError> {
        let (answer, tries) = self.tried(role, batch, limit_s, patience).await;
        self.round_trips.fetch_add(tries, Ordering::Relaxed);
        answer.map(|answer| answer.reply)
    }

    /// One question to each host, side by side.
    pub async fn ask_both(
        &self,
        primary: &Batch,
        backup: &Batch,
        limit_s: u64,
        patience: Patience,
    ) -> (Result<Reply, TransportError>, Result<Reply, TransportError>) {
        let (a, b) = self.ask_both_timed(primary, backup, limit_s, patience).await;
        (a.map(|answer| answer.reply), b.map(|answer| answer.reply))
    }

    /// The same, with the times at which each host was asked and answered.
    pub async fn ask_both_timed(
        &self,
        primary: &Batch,
        backup: &Batch,
        limit_s: u64,
        patience: Patience,
    ) -> (Result<Timed, TransportError>, Result<Timed, TransportError>) {
        let ((a, tries_a), (b, tries_b)) = tokio::join!(
            self.tried(Role::Primary, primary, limit_s, patience),
            self.tried(Role::Backup, backup, limit_s, patience)
        );
        self.round_trips
            .fetch_add(tries_a.max(tries_b), Ordering::Relaxed);
        (a, b)
    }

    async fn tried(
        &self,
        role: Role,
        batch: &Batch,
        limit_s: u64,
        patience: Patience,
    ) -> (Result<Timed, TransportError>, u32) {
        let link = &self.host(role).link;
        if let (Patience::Once, Some(error)) = (patience, self.host(role).unreachable()) {
            return (Err(error), 0);
        }
        let to_connect = Duration::from_secs(self.timeouts.connect_s);
        let deadline = Duration::from_secs(limit_s + self.timeouts.ask_s);
        let give_up = Instant::now() + Duration::from_secs(self.timeouts.retry_s);
        let mut tries = 0;
        loop {
            tries += 1;
            // Connecting has a limit of its own: what the batch may take on the host says nothing of the way there.
            let connected = link.connect(to_connect).await;
            let sent_s = self.now_s();
            let answer = match connected {
                Ok(()) => link.ask(batch, deadline).await,
                Err(error) => Err(error),
            };
            let received_s = self.now_s();
            let error = match answer.and_then(|reply| self.host(role).recognised(reply)) {
                Ok(reply) => {
                    self.host(role).reached(None);
                    let timed = Timed {
                        reply,
                        sent_s,
                        received_s,
                    };
                    return (Ok(timed), tries);
                }
                Err(error) => error,
            };
            tracing::warn!(host = self.host(role).name(), %error, tries, "no answer");
            let again = patience == Patience::Retry && may_change(error.kind) && Instant::now() < give_up;
            if !again {
                return (Err(error), tries);
            }
            // A refused connection answers at once: without a pause this would be a busy loop.
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// Ends both connections.
    pub async fn close(&self) {
        tokio::join!(self.primary.link.close(), self.backup.link.close());
    }
}

/// Whether trying again can help. A changed host key or a refused login only changes when a person changes it.
fn may_change(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Refused
        | ErrorKind::TimedOut
        | ErrorKind::Unreachable
        | ErrorKind::Lost
        | ErrorKind::Garbled => true,
        ErrorKind::HostKeyChanged
        | ErrorKind::HostKeyUnknown
        | ErrorKind::HostKeyUninterpretable
        | ErrorKind::OtherMachine
        | ErrorKind::Authentication
        | ErrorKind::Sudo
        | ErrorKind::CommandMissing
        | ErrorKind::BadDestination => false,
    }
}
