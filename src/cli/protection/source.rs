//! A source as it is named on the command line: a path, standard input, or a database server. Must never print the
//! password that an address may hold, and never wait without saying so on a terminal.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Failure;
use crate::databases::{self, DatabaseError, Format, Found, Lies, OnDisk};
use crate::protection::Sink;

/// Smaller inputs are read before a bar could be seen, bytes.
const WORTH_A_BAR: u64 = 16 << 20;
const SERVERS: [&str; 3] = ["postgres://", "postgresql://", "jdbc:postgresql://"];

/// What was named.
pub struct Source<'a> {
    named: &'a str,
    /// For output: without password.
    pub label: String,
}

impl<'a> Source<'a> {
    pub fn new(named: &'a str) -> Source<'a> {
        let label = if is_server(named) {
            shown_address(named)
        } else {
            named.to_owned()
        };
        Source { named, label }
    }

    /// All of them; standard input can be read but once.
    pub fn all(named: &'a [String]) -> Result<Vec<Source<'a>>, Failure> {
        if named.iter().filter(|name| *name == "-").count() > 1 {
            return Err(Failure::usage("standard input (`-`) can be read only once"));
        }
        Ok(named.iter().map(|name| Source::new(name)).collect())
    }

    /// Reads it whole into a sink.
    ///
    /// # Errors
    /// Exit 2 when there is nothing of that name, else exit 1: it could not be read, and that is not "never signed".
    pub fn read<S: Sink>(&self, sink: &mut S) -> Result<Found, Failure> {
        if self.named == "-" {
            return databases::read_stream(std::io::stdin().lock(), "-", sink)
                .map_err(|error| self.refused(&error));
        }
        if is_server(self.named) {
            return databases::web3signer::read(self.named, sink).map_err(|error| self.refused(&error));
        }
        let path = Path::new(self.named);
        if let Err(error) = std::fs::metadata(path) {
            return Err(Failure::usage(format!("{}: {error}", self.label)));
        }
        let bar = self.bar(size(path));
        let found = watched(path, &bar, sink).map_err(|error| self.refused(&error));
        bar.finish_and_clear();
        found
    }

    fn refused(&self, error: &DatabaseError) -> Failure {
        let mut message = error.to_string();
        if is_server(self.named) {
            message = message.replace(self.named, &self.label);
            if let Some(password) = password_of(self.named).filter(|password| password.len() > 3) {
                message = message.replace(password, "…");
            }
        }
        Failure::refused(message)
    }

    fn bar(&self, size: u64) -> ProgressBar {
        let target = if size >= WORTH_A_BAR && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target).with_message(self.label.clone());
        let style = "{spinner} {msg} {binary_bytes} [{elapsed}] {binary_bytes_per_sec}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

/// An interchange shows how far it is; the readers of databases only that they are at it.
fn watched<S: Sink>(path: &Path, bar: &ProgressBar, sink: &mut S) -> Result<Found, DatabaseError> {
    match databases::recognise(path)? {
        Lies::Database(found) if found.format == Format::Interchange && path.is_file() => {
            let file = OnDisk::file(&found.path)?;
            let length = file.metadata().map_or(0, |about| about.len());
            let style =
                "{msg} {bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} to go";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_length(length);
            databases::read_stream(bar.wrap_read(file), &path.display().to_string(), sink)
        }
        Lies::Database(_) | Lies::Archive(_) | Lies::PackedInterchange(_) | Lies::Stream(_) => {
            if let Ok(style) = ProgressStyle::with_template("{spinner} reading {msg} [{elapsed}]") {
                bar.set_style(style);
            }
            databases::read(path, sink)
        }
    }
}

/// Bytes at a path, about: what lies deep below does not decide whether a bar is shown.
fn size(path: &Path) -> u64 {
    let Ok(about) = std::fs::metadata(path) else {
        return 0;
    };
    if !about.is_dir() {
        return about.len();
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => WORTH_A_BAR,
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .fold(0, u64::saturating_add)
}

fn is_server(named: &str) -> bool {
    SERVERS.iter().any(|scheme| named.starts_with(scheme))
}

/// `postgres://user@host:port/database`: neither password nor parameters, which may hold one. Where it is not plain what
/// is the password, nothing behind the scheme is shown.
fn shown_address(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return "postgres://…".to_owned();
    };
    let (before, parameters) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    match before.rsplit_once('@') {
        _ if parameters.contains('@') => format!("{scheme}://…"),
        Some((user, host)) => {
            let user = user.split([':', '/']).next().unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        // Without an `@` what follows a colon may be a port, or a password whose host is missing.
        None => {
            let (host, database) = before.split_once('/').unwrap_or((before, ""));
            let host = host.split(':').next().unwrap_or_default();
            format!("{scheme}://{host}/{database}")
        }
    }
}

/// The password between user and host, as it stands there.
fn password_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let (user, _) = rest.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that no way of writing a password gets it into output.
    #[test]
    fn passwords_are_not_shown() {
        for (address, shown) in [
            (
                "postgres://user:secret@db.example:5432/web3signer",
                "postgres://user@db.example:5432/web3signer",
            ),
            (
                "postgresql://user@db/web3signer?password=secret",
                "postgresql://user@db/web3signer",
            ),
            (
                "jdbc:postgresql://db:5432/web3signer?user=u&password=secret",
                "jdbc:postgresql://db/web3signer",
            ),
            (
                "postgres://user:se@secret@db/web3signer",
                "postgres://user@db/web3signer",
            ),
            (
                "postgres://user:sec/secret@db/web3signer",
                "postgres://user@db/web3signer",
            ),
            ("postgres://user:se?cr@secret@db/w", "postgres://…"),
            ("postgres://db/w?password=a@secret", "postgres://…"),
            ("postgres://user:secret", "postgres://user/"),
        ] {
            let source = Source::new(address);
            assert_eq!(source.label, shown, "{address}");
            assert!(!source.label.contains("secret"), "{address}");
        }
    }

    /// Proves that an error that quotes the address, or the password alone, is told without it.
    #[test]
    fn errors_hold_no_password() {
        let source = Source::new("postgres://user:secret@db/w");
        let error = DatabaseError::io(source.named, &"password secret refused");
        let told = source.refused(&error).message;
        assert!(!told.contains("secret"), "{told}");
    }
}
