//! The one seam to the hosts: a `Transport` carries a batch of calls to a host's held-open shell and brings back a
//! framed reply, or says exactly why it could not. Must never turn a failure into an answer: no reply is unknown.

mod call;
mod destination;
mod failure;
mod fetch;
pub mod frame;
pub mod held;
pub mod known_hosts;
mod link;
pub mod local;
pub mod openssh;
pub mod russh;

pub use call::{Batch, Broken, Call, Op, Output, Reply};
pub use destination::{TransportKind, open};
pub use failure::Failure;

use std::time::Duration;

/// The fixed script that every held-open shell reads first. See `docs/ARCHITECTURE.md`, "What is sent to a host".
pub const REMOTE_SH: &str = include_str!("remote.sh");

/// One host, reached one way. Implementations hold a single connection and a single shell open, reconnect by
/// themselves at the next `ask` after a failure, and answer one batch at a time.
#[async_trait::async_trait]
pub trait Transport: Send + Sync {
    /// The host as the operator named it.
    fn host(&self) -> &str;

    /// Opens the connection and the shell if they do not stand yet. `ask` does so too; this only does it early.
    async fn connect(&self, deadline: Duration) -> Result<(), TransportError>;

    /// One round trip: all calls of the batch, in order. The deadline covers everything, reconnecting too.
    async fn ask(&self, batch: &Batch, deadline: Duration) -> Result<Reply, TransportError>;

    /// Streams a file of the host on a channel of its own, hashed at both ends, without holding it in memory.
    /// The bytes and the hash that are returned were compared with the host's own.
    async fn fetch(
        &self,
        path: &str,
        into: &mut (dyn tokio::io::AsyncWrite + Send + Unpin),
        deadline: Duration,
    ) -> Result<Fetched, TransportError>;

    /// Ends the connection. Never fails: what cannot be closed times out on its own.
    async fn close(&self);
}

/// What `fetch` brought: the same at both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Why a host gave no answer. Every kind is *unknown* to the guards; none means "stopped" (promise P3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host}: {kind}{}", because(host, detail))]
pub struct TransportError {
    /// The host as the operator named it.
    pub host: String,
    /// What went wrong.
    pub kind: ErrorKind,
    /// In the words of ssh, sudo or the parser, one line.
    pub detail: String,
    /// Whether the batch may have been carried out although no answer came.
    pub may_have_run: bool,
}

/// The classes of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No answer within the deadline, or no route.
    #[error("no answer in time")]
    TimedOut,
    /// The name does not resolve, or there is no route to it.
    #[error("host not reachable")]
    Unreachable,
    /// The host key is not the one in known_hosts.
    #[error("the host key has changed")]
    HostKeyChanged,
    /// known_hosts has no entry for the host.
    #[error("the host key is not known")]
    HostKeyUnknown,
    /// known_hosts has an entry that this transport cannot interpret, so it refuses.
    #[error("known_hosts has an entry that cannot be interpreted")]
    HostKeyUninterpretable,
    /// No key was accepted.
    #[error("authentication failed")]
    Authentication,
    /// `sudo -n` refused.
    #[error("sudo refused")]
    Sudo,
    /// A shell or command is not there (127).
    #[error("a command is missing")]
    CommandMissing,
    /// The connection broke while an answer was awaited.
    #[error("the connection was lost")]
    Lost,
    /// Another machine answers under the same name.
    #[error("another machine answers")]
    OtherMachine,
    /// Something answered, but not in the frame: nonce, machine id, boot id, end marker.
    #[error("the answer does not parse")]
    Garbled,
    /// A host, user or jump string that ssh could take for an option.
    #[error("not a valid destination")]
    BadDestination,
}

/// How a host is reached. Values come from the configuration; `Destination::check` refuses what ssh could misread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Destination {
    /// Host as the operator names it: an ssh config alias, a name or an address. Never begins with `-`.
    pub host: String,
    /// Remote user; none means what the ssh configuration says.
    pub user: Option<String>,
    /// TCP port; none means what the ssh configuration says, else 22.
    pub port: Option<u16>,
    /// Address to connect to when it differs from `host` (russh only; openssh takes it from its configuration).
    pub address: Option<String>,
    /// Private key file, given to ssh with `IdentitiesOnly`.
    pub key_file: Option<std::path::PathBuf>,
    /// known_hosts file in place of the user's own.
    pub known_hosts: Option<std::path::PathBuf>,
    /// ssh configuration file in place of the user's own (openssh only).
    pub config_file: Option<std::path::PathBuf>,
    /// Jump hosts, first hop first (openssh only).
    pub jump_hosts: Vec<String>,
    /// Whether the held shell is opened with `sudo -n` (for users other than root).
    pub r#become: bool,
}

/// The detail, without what the message says already.
fn because(host: &str, detail: &str) -> String {
    let detail = detail
        .trim()
        .trim_start_matches(host)
        .trim_start_matches(':')
        .trim();
    if detail.is_empty() {
        String::new()
    } else {
        format!(": {detail}")
    }
}
