//! What the three transports have in common: one connection, one held shell, reconnecting at the next question after a
//! failure, deadlines over everything. Must never put a shell back that failed, was late or was given up half-way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;
use super::fetch;
use super::held::{HeldShell, Pipes};
use super::{Batch, Destination, ErrorKind, Fetched, Reply, Transport, TransportError};

/// How to connect. What is dropped half-way (a deadline) must clean up after itself.
#[async_trait::async_trait]
pub(super) trait Dial: Send + Sync {
    /// A new connection. `deadline` is for settings of the connection; the caller enforces it.
    async fn dial(&self, to: &Destination, deadline: Instant) -> Result<Box<dyn Wire>, Failure>;
}

/// A standing connection that can open channels, each running a shell that reads its standard input.
#[async_trait::async_trait]
pub(super) trait Wire: Send + Sync {
    /// Starts [`shell_command`] on a channel of its own.
    async fn channel(&self) -> Result<Pipes, Failure>;

    /// What the connection itself wrote last, to explain a loss.
    fn last_words(&self) -> Option<String> {
        None
    }

    /// Says goodbye.
    async fn close(&self) {}
}

/// The command that a channel runs: `sh`, or `sh` as root. A constant; nothing is ever put into it.
pub(super) fn shell_command(to: &Destination) -> &'static str {
    if to.r#become {
        "exec sudo -n -- sh"
    } else {
        "exec sh"
    }
}

/// A transport over any [`Dial`].
pub(super) struct Linked {
    to: Destination,
    dial: Box<dyn Dial>,
    line: Mutex<Option<Arc<Line>>>,
    shell: Mutex<Option<Standing>>,
}

/// A connection, and whether something went wrong on it.
struct Line {
    wire: Box<dyn Wire>,
    suspect: AtomicBool,
}

/// A shell with the connection that it runs on.
struct Standing {
    shell: HeldShell,
    line: Arc<Line>,
}

impl Line {
    fn suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }

    fn distrust(&self) {
        self.suspect.store(true, Ordering::Release);
    }
}

impl Linked {
    pub(super) fn new(to: Destination, dial: Box<dyn Dial>) -> Linked {
        Linked {
            to,
            dial,
            line: Mutex::new(None),
            shell: Mutex::new(None),
        }
    }

    /// The standing connection, or a new one; and whether it stood already.
    async fn line(&self, deadline: Instant) -> Result<(Arc<Line>, bool), Failure> {
        let connecting = async {
            let mut slot = self.line.lock().await;
            if let Some(line) = slot.as_ref().filter(|line| !line.suspect()) {
                return Ok((Arc::clone(line), true));
            }
            *slot = None;
            let wire = self.dial.dial(&self.to, deadline).await?;
            let line = Arc::new(Line {
                wire,
                suspect: AtomicBool::new(false),
            });
            *slot = Some(Arc::clone(&line));
            Ok((line, false))
        };
        match timeout_at(deadline, connecting).await {
            Ok(result) => result,
            Err(_) => Err(Failure::timed_out("connecting")),
        }
    }

    /// A fresh channel. A connection that stood idle may be dead by now: then, and only then, it dials once more.
    async fn channel(&self, deadline: Instant) -> Result<(Arc<Line>, Pipes), Failure> {
        loop {
            let (line, stood) = self.line(deadline).await?;
            match timeout_at(deadline, line.wire.channel()).await {
                Ok(Ok(pipes)) => return Ok((line, pipes)),
                Ok(Err(failure)) => {
                    line.distrust();
                    if !stood {
                        return Err(failure.with_words(line.wire.last_words()));
                    }
                }
                Err(_) => {
                    line.distrust();
                    return Err(Failure::timed_out("a channel was being opened"));
                }
            }
        }
    }

    async fn stand(&self, deadline: Instant) -> Result<Standing, Failure> {
        let (line, pipes) = self.channel(deadline).await?;
        match HeldShell::open(pipes, deadline).await {
            Ok(shell) => Ok(Standing { shell, line }),
            Err(failure) => {
                line.distrust();
                Err(failure.with_words(line.wire.last_words()))
            }
        }
    }

    /// The standing shell taken out of its place, or a new one. Whoever has asked it with success puts it back.
    async fn standing(&self, slot: &mut Option<Standing>, deadline: Instant) -> Result<Standing, Failure> {
        if let Some(mut standing) = slot.take() {
            if !standing.line.suspect() && !standing.shell.has_ended().await {
                return Ok(standing);
            }
            standing.line.distrust();
        }
        self.stand(deadline).await
    }

    async fn try_ask(&self, batch: Option<&Batch>, deadline: Instant) -> Result<Option<Reply>, Failure> {
        let Ok(mut slot) = timeout_at(deadline, self.shell.lock()).await else {
            return Err(Failure::timed_out("an earlier question was being answered"));
        };
        let mut standing = self.standing(&mut slot, deadline).await?;
        let reply = match batch {
            None => None,
            Some(batch) => match standing.shell.ask(batch, deadline).await {
                Ok(reply) => Some(reply),
                Err(failure) => {
                    standing.line.distrust();
                    return Err(failure.with_words(standing.line.wire.last_words()));
                }
            },
        };
        *slot = Some(standing);
        Ok(reply)
    }

    async fn try_fetch(
        &self,
        path: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        deadline: Instant,
    ) -> Result<Fetched, Failure> {
        let (line, pipes) = self.channel(deadline).await?;
        let fetched = fetch::fetch(pipes, path, into, deadline).await;
        if let Err(Failure {
            kind: ErrorKind::Lost | ErrorKind::TimedOut,
            ..
        }) = &fetched
        {
            line.distrust();
        }
        fetched
    }
}

#[async_trait::async_trait]
impl Transport for Linked {
    fn host(&self) -> &str {
        &self.to.host
    }

    async fn connect(&self, deadline: Duration) -> Result<(), TransportError> {
        self.try_ask(None, Instant::now() + deadline)
            .await
            .map(|_| ())
            .map_err(|failure| failure.of(&self.to.host))
    }

    async fn ask(&self, batch: &Batch, deadline: Duration) -> Result<Reply, TransportError> {
        let reply = self.try_ask(Some(batch), Instant::now() + deadline).await;
        let missing = || Failure::new(ErrorKind::Lost, "a question without an answer");
        reply
            .and_then(|reply| reply.ok_or_else(missing))
            .map_err(|failure| failure.of(&self.to.host))
    }

    async fn fetch(
        &self,
        path: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        deadline: Duration,
    ) -> Result<Fetched, TransportError> {
        let fetched = self.try_fetch(path, into, Instant::now() + deadline).await;
        fetched.map_err(|failure| failure.of(&self.to.host))
    }

    async fn close(&self) {
        let line = self.line.lock().await.take();
        *self.shell.lock().await = None;
        if let Some(line) = line {
            line.distrust();
            line.wire.close().await;
        }
    }
}
