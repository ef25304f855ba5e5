//! A shell that is held open on a host: reads the fixed script once, then answers batch after batch, one round trip
//! each. Works over any three pipes. Must never be used again after a failure or a missed deadline: it is then out of
//! step, and whoever holds it drops it.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::failure::{self, Failure};
use super::frame::{self, FrameParser};
use super::{Batch, ErrorKind, REMOTE_SH, Reply};

/// The most that one reply may hold, banners before it included; more is `Garbled`.
pub const REPLY_LIMIT: usize = 64 << 20;

/// How much of the shell's own standard error is kept for messages.
const COMPLAINTS_LIMIT: usize = 8 << 10;

/// How long the end of a shell that has closed its output is waited for, to learn its exit status.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// How a shell ended; none when that cannot be known.
pub type Ended = Pin<Box<dyn Future<Output = Option<i32>> + Send>>;

/// The three pipes of a running shell, and its end. Dropping them closes its input, so that it ends by itself.
pub struct Pipes {
    /// Standard input of the shell.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Standard output of the shell.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Standard error of the shell.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Resolves to the exit status.
    pub ended: Ended,
}

/// One shell, in step: every batch that was asked has been answered.
pub struct HeldShell {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: LineReader,
    ended: Ended,
    complaints: Complaints,
    clock: HostClock,
    machine_id: String,
    boot_id: String,
}

/// The host's uptime at a moment here, to tell the host in its own time when a batch is stale.
struct HostClock {
    uptime_cs: u64,
    read_at: Instant,
}

impl HeldShell {
    /// Sends the script and a first exchange that skips what a login prints, and learns who answers.
    pub async fn open(pipes: Pipes, deadline: Instant) -> Result<HeldShell, Failure> {
        let Pipes {
            stdin,
            stdout,
            stderr,
            ended,
        } = pipes;
        let mut shell = HeldShell {
            stdin,
            stdout: LineReader::new(stdout),
            ended,
            complaints: Complaints::gather(stderr),
            clock: HostClock {
                uptime_cs: 0,
                read_at: Instant::now(),
            },
            machine_id: String::new(),
            boot_id: String::new(),
        };
        let nonce = fresh_nonce()?;
        let text = format!("{REMOTE_SH}\nfo_begin {nonce}\nfo_op uptime\nfo_end\n");
        let parser = FrameParser::new(&nonce, 1);
        let reply = match timeout_at(deadline, shell.exchange(text.as_bytes(), parser)).await {
            Err(_) => return Err(Failure::timed_out("the shell was being opened")),
            Ok(Err(Broken::Ended)) => return Err(shell.complaints.autopsy(&mut shell.ended, deadline).await),
            Ok(Err(broken)) => return Err(broken.into_failure()),
            Ok(Ok(reply)) => reply,
        };
        let uptime = reply
            .outputs
            .first()
            .and_then(|output| output.ok().ok())
            .and_then(|out| out.trim().parse().ok());
        let Some(uptime_cs) = uptime else {
            return Err(Failure::new(
                ErrorKind::Garbled,
                "the host does not say its uptime",
            ));
        };
        shell.clock = HostClock {
            uptime_cs,
            read_at: Instant::now(),
        };
        (shell.machine_id, shell.boot_id) = (reply.machine_id, reply.boot_id);
        Ok(shell)
    }

    /// One round trip. After an error the shell is out of step and must be dropped.
    pub async fn ask(&mut self, batch: &Batch, deadline: Instant) -> Result<Reply, Failure> {
        let nonce = fresh_nonce()?;
        let text = frame::encode(&nonce, Some(self.clock.at(deadline)), batch)
            .map_err(|nul| Failure::new(ErrorKind::BadDestination, nul.to_string()))?;
        let parser = FrameParser::new(&nonce, batch.len());
        let reply = match timeout_at(deadline, self.exchange(text.as_bytes(), parser)).await {
            Err(_) => return Err(Failure::timed_out("an answer was awaited").after_writing()),
            Ok(Err(broken)) => {
                return Err(broken
                    .into_failure()
                    .with_words(self.complaints.last_words())
                    .after_writing());
            }
            Ok(Ok(reply)) => reply,
        };
        if (&reply.machine_id, &reply.boot_id) != (&self.machine_id, &self.boot_id) {
            let why = "the shell answers for another machine or boot than when it was opened";
            return Err(Failure::new(ErrorKind::Garbled, why).after_writing());
        }
        Ok(reply)
    }

    /// Whether the shell is known to have ended while nobody asked. Best effort: `false` promises nothing.
    pub async fn has_ended(&mut self) -> bool {
        self.stdout.has_ended().await
    }

    /// Writes and reads at the same time, since neither pipe may fill up while the other is waited for.
    async fn exchange(&mut self, text: &[u8], mut parser: FrameParser) -> Result<Reply, Broken> {
        let stdin = &mut self.stdin;
        let write = async {
            stdin.write_all(text).await?;
            stdin.flush().await
        };
        let read = self.stdout.reply(&mut parser);
        tokio::pin!(write, read);
        let mut writing = true;
        loop {
            tokio::select! {
                // A failed write is not the last word: the reader meets the end of the shell and says more.
                _ = &mut write, if writing => writing = false,
                reply = &mut read => return reply,
            }
        }
    }
}

impl HostClock {
    /// The host's uptime at a moment here, rather too early than too late: the reading took time to arrive.
    fn at(&self, moment: Instant) -> u64 {
        let passed = moment.saturating_duration_since(self.read_at).as_millis() / 10;
        self.uptime_cs
            .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

/// How an exchange broke.
enum Broken {
    /// The output ended before the end marker.
    Ended,
    /// Reading failed.
    Read(std::io::Error),
    /// What came is not a frame.
    Garbled(String),
}

impl Broken {
    fn into_failure(self) -> Failure {
        match self {
            Broken::Ended => Failure::new(ErrorKind::Lost, "the output ended before the end marker"),
            Broken::Read(error) => Failure::new(ErrorKind::Lost, format!("reading the answer: {error}")),
            Broken::Garbled(why) => Failure::new(ErrorKind::Garbled, why),
        }
    }
}

/// Standard output cut into lines; keeps what was read beyond the last one.
struct LineReader {
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    buffer: Vec<u8>,
}

impl LineReader {
    fn new(stdout: Box<dyn AsyncRead + Send + Unpin>) -> LineReader {
        LineReader {
            stdout,
            buffer: Vec::new(),
        }
    }

    async fn reply(&mut self, parser: &mut FrameParser) -> Result<Reply, Broken> {
        let (mut taken, mut searched, mut total) = (0, 0, self.buffer.len());
        loop {
            while let Some(length) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let end = searched + length;
                if let Some(reply) = parser.line(&self.buffer[taken..end]).map_err(Broken::Garbled)? {
                    self.buffer.drain(..=end);
                    return Ok(reply);
                }
                (taken, searched) = (end + 1, end + 1);
            }
            self.buffer.drain(..taken);
            (taken, searched) = (0, self.buffer.len());
            self.buffer.reserve(64 << 10);
            match self.stdout.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(Broken::Ended),
                Ok(read) => total += read,
                Err(error) => return Err(Broken::Read(error)),
            }
            if total > REPLY_LIMIT {
                return Err(Broken::Garbled(format!(
                    "the answer is longer than {REPLY_LIMIT} bytes"
                )));
            }
        }
    }

    async fn has_ended(&mut self) -> bool {
        self.buffer.reserve(4 << 10);
        tokio::select! {
            biased;
            read = self.stdout.read_buf(&mut self.buffer) => !matches!(read, Ok(1..)),
            () = std::future::ready(()) => false,
        }
    }
}

/// The tail of the shell's own standard error, drained all the time so that it can never block the shell.
pub(super) struct Complaints {
    tail: Arc<Mutex<Vec<u8>>>,
    drain: JoinHandle<()>,
}

impl Complaints {
    pub(super) fn gather(mut stderr: Box<dyn AsyncRead + Send + Unpin>) -> Complaints {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&tail);
        let drain = tokio::spawn(async move {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
                let mut tail = into.lock().unwrap_or_else(PoisonError::into_inner);
                tail.extend_from_slice(&chunk[..read]);
                let excess = tail.len().saturating_sub(COMPLAINTS_LIMIT);
                tail.drain(..excess);
            }
        });
        Complaints { tail, drain }
    }

    /// Why a shell ended before it ever answered, once it has closed its output.
    pub(super) async fn autopsy(
        &mut self,
        ended: impl Future<Output = Option<i32>>,
        deadline: Instant,
    ) -> Failure {
        let patience = deadline.min(Instant::now() + END_PATIENCE);
        let status = timeout_at(patience, ended).await.ok().flatten();
        // An unfinished tail only shortens the message.
        let _ = timeout_at(patience, &mut self.drain).await;
        failure::of_dead_shell(status, &self.text())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.tail.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn last_words(&self) -> Option<String> {
        self.text()
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map(str::to_owned)
    }
}

impl Drop for Complaints {
    fn drop(&mut self) {
        self.drain.abort();
    }
}

/// 128 bits of the operating system's random source, in hex.
pub(super) fn fresh_nonce() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| {
            Failure::new(
                ErrorKind::Lost,
                format!("no random numbers from /dev/urandom: {error}"),
            )
        })?;
    Ok(const_hex::encode(bytes))
}
