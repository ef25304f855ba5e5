//! Reads known_hosts for the transport that has no `ssh` to do it: plain names, `[host]:port`, hashed names, lists.
//! Pure. Must never skip an entry that may concern the host and that it cannot interpret (`@cert-authority`,
//! `@revoked`, wildcards, negation, a damaged line): such an entry refuses, because skipping it could accept a key
//! that the operator has forbidden. Stricter than `ssh` in that, and in not falling back to the name without the port.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// One key that is recorded for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// As the file writes it: `ssh-ed25519`, …
    pub algorithm: String,
    /// The key in SSH's own encoding.
    pub blob: Vec<u8>,
    /// `file:line`.
    pub place: String,
}

/// An entry that may concern the host and that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Uninterpretable {
    /// `file:line`.
    pub place: String,
    /// What is not understood.
    pub why: &'static str,
}

/// What the recorded keys say about a key that a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Recorded for this host.
    Known,
    /// Another key of the same algorithm is recorded, there.
    Changed(String),
    /// No key of this algorithm is recorded.
    Unknown,
}

/// The name under which a host's keys are recorded.
pub fn recorded_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

/// Every key that one known_hosts text records for a host.
pub fn keys(file: &str, text: &str, host: &str, port: u16) -> Result<Vec<KnownKey>, Uninterpretable> {
    let names = [recorded_name(host, port), host.to_ascii_lowercase()];
    let mut keys = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let place = || format!("{file}:{}", n + 1);
        match entry(line, &names) {
            Entry::Elsewhere => {}
            Entry::Key { algorithm, blob } => keys.push(KnownKey {
                algorithm,
                blob,
                place: place(),
            }),
            Entry::Unclear(why) => return Err(Uninterpretable { place: place(), why }),
        }
    }
    Ok(keys)
}

/// Judges the key that a host shows.
pub fn judge(recorded: &[KnownKey], algorithm: &str, blob: &[u8]) -> Verdict {
    if recorded.iter().any(|key| key.blob == blob) {
        return Verdict::Known;
    }
    let other = recorded.iter().find(|key| key.algorithm == algorithm);
    other.map_or(Verdict::Unknown, |key| Verdict::Changed(key.place.clone()))
}

enum Entry {
    Elsewhere,
    Key { algorithm: String, blob: Vec<u8> },
    Unclear(&'static str),
}

/// Whether a list of patterns is about the host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// Certainly not.
    Other,
    /// Certainly.
    Host,
    /// Perhaps.
    Unclear(&'static str),
}

/// One line. `names[0]` is the host's recorded name; `names[1]`, the name without a port, matters only to entries that
/// could forbid a key.
fn entry(line: &str, names: &[String; 2]) -> Entry {
    let mut words = line.split_ascii_whitespace();
    let Some(first) = words.next().filter(|word| !word.starts_with('#')) else {
        return Entry::Elsewhere;
    };
    if first.starts_with('@') {
        let patterns = words.next().unwrap_or_default();
        let concerns = |name| about(patterns, name) != About::Other;
        let concerned = patterns.is_empty() || names.iter().any(|name| concerns(name));
        let why = "a marker (@cert-authority, @revoked) that may concern the host is not interpreted here";
        return if concerned {
            Entry::Unclear(why)
        } else {
            Entry::Elsewhere
        };
    }
    match about(first, &names[0]) {
        About::Other => Entry::Elsewhere,
        About::Unclear(why) => Entry::Unclear(why),
        About::Host => key(words.next(), words.next()),
    }
}

fn about(patterns: &str, name: &str) -> About {
    let mut result = About::Other;
    for pattern in patterns.split(',') {
        match one_pattern(&pattern.to_ascii_lowercase(), pattern, name) {
            About::Other => {}
            About::Host => result = About::Host,
            unclear @ About::Unclear(_) => return unclear,
        }
    }
    result
}

/// `lower` is the pattern in lower case; a hash must be read as it is written.
fn one_pattern(lower: &str, pattern: &str, name: &str) -> About {
    if pattern.starts_with('|') {
        return match hashed(pattern, name) {
            Some(true) => About::Host,
            Some(false) => About::Other,
            None => About::Unclear("a hashed name that does not parse"),
        };
    }
    if let Some(negated) = lower.strip_prefix('!') {
        let why = "a negated name (`!`) that matches the host is not interpreted here";
        return if glob(negated.as_bytes(), name.as_bytes()) {
            About::Unclear(why)
        } else {
            About::Other
        };
    }
    if lower == name {
        About::Host
    } else if glob(lower.as_bytes(), name.as_bytes()) {
        About::Unclear("a wildcard that matches the host is not interpreted here")
    } else {
        About::Other
    }
}

/// `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt.
fn hashed(pattern: &str, name: &str) -> Option<bool> {
    let (salt, hash) = pattern.strip_prefix("|1|")?.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    if hash.len() != 20 || salt.is_empty() {
        return None;
    }
    let mac = Hmac::<Sha1>::new_from_slice(&salt)
        .ok()?
        .chain_update(name.as_bytes());
    Some(mac.verify_slice(&hash).is_ok())
}

/// `*` and `?` as `ssh` knows them, without recursion: the last star takes one byte more at each failure.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            Some(_) | None => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

fn key(algorithm: Option<&str>, blob: Option<&str>) -> Entry {
    let (Some(algorithm), Some(blob)) = (algorithm, blob) else {
        return Entry::Unclear("the line has no key");
    };
    let Ok(blob) = STANDARD.decode(blob) else {
        return Entry::Unclear("the key is not base64");
    };
    if algorithm_of(&blob) != Some(algorithm.as_bytes()) {
        return Entry::Unclear("the key is not of the algorithm that the line names");
    }
    Entry::Key {
        algorithm: algorithm.to_owned(),
        blob,
    }
}

/// The algorithm's name at the beginning of an encoded key.
fn algorithm_of(blob: &[u8]) -> Option<&[u8]> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
#[path = "known_hosts_tests.rs"]
mod tests;
