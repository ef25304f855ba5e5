//! What may be named as a destination, and the choice of transport. Must never let through a string that `ssh` could
//! take for an option, or that could hide in a log line.

use std::sync::Arc;

use super::{Destination, ErrorKind, Transport, TransportError, failure::Failure, local, openssh, russh};

/// How the hosts are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportKind {
    /// The operator's own `ssh`, with its configuration, agent and known hosts. The default.
    #[default]
    OpenSsh,
    /// The ssh client that is built in; knows no ssh configuration.
    Russh,
    /// No ssh: this machine.
    Local,
}

/// A transport to a destination. Connects only when it is first asked.
pub fn open(kind: TransportKind, destination: Destination) -> Result<Arc<dyn Transport>, TransportError> {
    match kind {
        TransportKind::OpenSsh => openssh::open(destination),
        TransportKind::Russh => russh::open(destination),
        TransportKind::Local => local::open(destination),
    }
}

impl Destination {
    /// Refuses a host, user, address or jump host that `ssh` could misread.
    pub fn check(&self) -> Result<(), TransportError> {
        let words = std::iter::once(("host", self.host.as_str()))
            .chain(self.user.iter().map(|user| ("user", user.as_str())))
            .chain(self.address.iter().map(|address| ("address", address.as_str())))
            .chain(self.jump_hosts.iter().map(|jump| ("jump host", jump.as_str())));
        for (what, word) in words {
            if let Some(why) = misreadable(what, word) {
                let detail = format!("{what} `{}` {why}", word.escape_debug());
                return Err(Failure::new(ErrorKind::BadDestination, detail).of(&self.host));
            }
        }
        let paths = [&self.key_file, &self.known_hosts, &self.config_file];
        for path in paths.into_iter().flatten() {
            if path.as_os_str().is_empty()
                || path
                    .as_os_str()
                    .as_encoded_bytes()
                    .iter()
                    .any(u8::is_ascii_control)
            {
                let detail = format!(
                    "the path `{}` is empty or holds control characters",
                    path.display()
                );
                return Err(Failure::new(ErrorKind::BadDestination, detail).of(&self.host));
            }
        }
        Ok(())
    }
}

/// Why a word cannot be given to `ssh`.
fn misreadable(what: &str, word: &str) -> Option<&'static str> {
    // Beyond options: `ssh` expands `%`, splits jump hosts at `,`, and hands a host to the shell of a ProxyCommand.
    let hostile = |c: char| "'\"`\\$;&|<>(){}*?!#~^=,%".contains(c);
    if word.is_empty() {
        Some("is empty")
    } else if word.starts_with('-') {
        Some("begins with `-`, which ssh takes for an option")
    } else if word.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("holds white space or control characters")
    } else if word.chars().any(hostile) {
        Some("holds a character that ssh or a shell could interpret")
    } else if what == "host" && (word.contains('@') || word.contains('/')) {
        Some("holds `@` or `/`; the user and the port have settings of their own")
    } else if what == "jump host"
        && word
            .split_once('@')
            .is_some_and(|(_, host)| host.starts_with('-'))
    {
        Some("begins with `-`, which ssh takes for an option")
    } else {
        None
    }
}
