//! Why there was no answer, before a host's name is put to it; and how the words of `ssh`, `sudo` and a dying shell are
//! sorted into kinds. Pure. Must never call a failure anything that could be read as "stopped", nor guess a mild kind:
//! what is not recognised is `Lost`.

use super::{ErrorKind, TransportError};

/// A failure on its way to becoming a [`TransportError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub kind: ErrorKind,
    /// In one line.
    pub detail: String,
    /// Whether the batch may have been carried out.
    pub may_have_run: bool,
}

impl Failure {
    /// A failure before anything was asked.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Failure {
        Failure {
            kind,
            detail: one_line(&detail.into()),
            may_have_run: false,
        }
    }

    /// The deadline passed while `doing`.
    pub fn timed_out(doing: &str) -> Failure {
        Failure::new(ErrorKind::TimedOut, format!("the deadline passed while {doing}"))
    }

    /// The same failure, after the batch had been handed to the connection.
    pub fn after_writing(self) -> Failure {
        Failure {
            may_have_run: true,
            ..self
        }
    }

    /// The same failure with what the connection itself had to say.
    pub fn with_words(mut self, words: Option<String>) -> Failure {
        if let Some(words) = words
            .map(|words| one_line(&words))
            .filter(|words| !words.is_empty())
        {
            self.detail = format!("{}; {words}", self.detail);
        }
        self
    }

    /// The failure of that host.
    pub fn of(self, host: &str) -> TransportError {
        let Failure {
            kind,
            detail,
            may_have_run,
        } = self;
        TransportError {
            host: host.to_owned(),
            kind,
            detail,
            may_have_run,
        }
    }
}

/// Sorts an error of the operating system while connecting.
pub fn of_io(doing: &str, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind as Io;
    let sorted = [
        (Io::ConnectionRefused, ErrorKind::Refused),
        (Io::TimedOut, ErrorKind::TimedOut),
        (Io::HostUnreachable, ErrorKind::Unreachable),
        (Io::NetworkUnreachable, ErrorKind::Unreachable),
        (Io::NetworkDown, ErrorKind::Unreachable),
        (Io::AddrNotAvailable, ErrorKind::Unreachable),
    ];
    let kind = sorted
        .iter()
        .find(|(io, _)| *io == error.kind())
        .map_or(ErrorKind::Lost, |(_, kind)| *kind);
    Failure::new(kind, format!("{doing}: {error}"))
}

/// What `ssh` writes when its master connection fails, in the order in which it is looked for: an earlier row wins.
const SSH_WORDS: &[(&str, ErrorKind)] = &[
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        ErrorKind::HostKeyChanged,
    ),
    (
        "has changed and you have requested strict checking",
        ErrorKind::HostKeyChanged,
    ),
    ("REVOKED HOST KEY DETECTED", ErrorKind::HostKeyChanged),
    ("host key is known for", ErrorKind::HostKeyUnknown),
    ("Host key verification failed", ErrorKind::HostKeyUnknown),
    ("Permission denied (", ErrorKind::Authentication),
    ("Too many authentication failures", ErrorKind::Authentication),
    ("No more authentication methods", ErrorKind::Authentication),
    ("Could not resolve hostname", ErrorKind::Unreachable),
    ("Name or service not known", ErrorKind::Unreachable),
    ("No route to host", ErrorKind::Unreachable),
    ("Network is unreachable", ErrorKind::Unreachable),
    ("Host is down", ErrorKind::Unreachable),
    ("Connection refused", ErrorKind::Refused),
    ("timed out", ErrorKind::TimedOut),
    ("not responding", ErrorKind::TimedOut),
    ("bad configuration option", ErrorKind::BadDestination),
    ("Bad configuration option", ErrorKind::BadDestination),
    ("Bad owner or permissions", ErrorKind::BadDestination),
    ("Can't open user config file", ErrorKind::BadDestination),
    ("hostname contains invalid characters", ErrorKind::BadDestination),
];

/// Sorts the log that `ssh` left behind when it could not connect. The detail is the line that decided.
pub fn of_ssh_log(log: &str) -> Failure {
    for (words, kind) in SSH_WORDS {
        if let Some(line) = log.lines().find(|line| line.contains(words)) {
            return Failure::new(*kind, line);
        }
    }
    Failure::new(
        ErrorKind::Lost,
        last_line(log).unwrap_or("ssh ended without a word"),
    )
}

/// What `sudo -n` says when it refuses.
const SUDO_WORDS: &[&str] = &[
    "a password is required",
    "a terminal is required",
    "you must have a tty",
    "not allowed to",
    "may not run sudo",
    "is not in the sudoers file",
    "no askpass program",
    "account validation failure",
    "effective uid is not 0",
    "PAM account management error",
    "no valid sudoers sources found",
    "parse error in",
];

/// Sorts the end of a shell that never answered at all, from its exit status and its standard error.
pub fn of_dead_shell(status: Option<i32>, stderr: &str) -> Failure {
    let words = last_line(stderr).unwrap_or("no words on standard error");
    let said = match status {
        Some(status) => format!("the shell ended with {status} before it answered: {words}"),
        None => format!("the shell ended before it answered: {words}"),
    };
    let refused = |line: &str| SUDO_WORDS.iter().any(|words| line.contains(words));
    if let Some(line) = stderr.lines().find(|line| line.contains("sudo") && refused(line)) {
        return Failure::new(ErrorKind::Sudo, line);
    }
    let missing = |line: &&str| line.contains("command not found") || line.ends_with("not found");
    if let Some(line) = stderr.lines().map(str::trim_end).find(missing) {
        return Failure::new(ErrorKind::CommandMissing, line);
    }
    let kind = if status == Some(127) {
        ErrorKind::CommandMissing
    } else {
        ErrorKind::Lost
    };
    Failure::new(kind, said)
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty())
}

fn one_line(text: &str) -> String {
    let line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_shell_is_sorted_by_its_words() {
        let rows = [
            (Some(1), "sudo: a password is required", ErrorKind::Sudo),
            (
                Some(1),
                "Sorry, user deploy is not allowed to execute 'sh' as root on a. sudo",
                ErrorKind::Sudo,
            ),
            (
                Some(1),
                "deploy is not in the sudoers file.  This incident will be reported. (sudo)",
                ErrorKind::Sudo,
            ),
            (
                Some(127),
                "bash: line 1: sudo: command not found",
                ErrorKind::CommandMissing,
            ),
            (Some(1), "sudo: sh: command not found", ErrorKind::CommandMissing),
            (None, "sh: 1: sudo: not found", ErrorKind::CommandMissing),
            (Some(127), "", ErrorKind::CommandMissing),
            (
                Some(1),
                "sudo: unable to resolve host a: Name or service not known",
                ErrorKind::Lost,
            ),
            (Some(255), "", ErrorKind::Lost),
            (None, "", ErrorKind::Lost),
        ];
        for (status, stderr, kind) in rows {
            assert_eq!(of_dead_shell(status, stderr).kind, kind, "{stderr}");
        }
    }

    #[test]
    fn what_ssh_says_is_sorted_and_the_rest_is_lost() {
        let rows = [
            (
                "kex_exchange_identification: Connection closed by remote host",
                ErrorKind::Lost,
            ),
            ("", ErrorKind::Lost),
            (
                "ssh: connect to host a port 22: No route to host",
                ErrorKind::Unreachable,
            ),
            ("Connection timed out during banner exchange", ErrorKind::TimedOut),
        ];
        for (log, kind) in rows {
            assert_eq!(of_ssh_log(log).kind, kind, "{log}");
        }
    }

    #[test]
    fn details_are_one_printable_line() {
        assert_eq!(
            Failure::new(ErrorKind::Lost, "a\r\nb\x1b[31m\n").detail,
            "a  b [31m"
        );
    }
}
