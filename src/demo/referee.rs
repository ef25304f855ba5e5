//! The referee: keeps every message that any simulated validator signed and says afterwards whether two of them are
//! slashable, whether two hosts could sign at once, and how long nobody signed. Pure; it never prevents anything,
//! so that a failover that is wrong can be seen to be wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::host::unit::Cause;

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// A block proposal.
    Block {
        /// Its slot.
        slot: u64,
        /// Signing root, 0x hex.
        root: String,
    },
    /// An attestation.
    Attestation {
        /// The slot it was made in.
        slot: u64,
        /// Source epoch.
        source: u64,
        /// Target epoch.
        target: u64,
        /// Signing root, 0x hex.
        root: String,
    },
}

/// One signed message: who, when, with which key, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Host name.
    pub host: String,
    /// Unix time of signing.
    pub at: Duration,
    /// Public key, 0x hex.
    pub key: String,
    /// The message.
    pub signed: Signed,
}

impl Message {
    /// The slot in which the message was signed.
    pub fn slot(&self) -> u64 {
        match &self.signed {
            Signed::Block { slot, .. } | Signed::Attestation { slot, .. } => *slot,
        }
    }
}

/// The rule that two messages break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Two different blocks for one slot.
    DoubleProposal,
    /// Two different attestations for one target.
    DoubleVote,
    /// One attestation surrounds the other.
    Surround,
}

/// Two messages of one key for which it can be slashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// The rule that they break.
    pub rule: Rule,
    /// Signed first.
    pub first: Message,
    /// Signed second.
    pub second: Message,
}

/// A time in which a host's validator process was alive, and so could sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Host name.
    pub host: String,
    /// Unix time of the start.
    pub from: Duration,
    /// Unix time of the end; none while it is alive.
    pub until: Option<Duration>,
    /// How it came to run.
    pub cause: Cause,
}

/// Two hosts that were able to sign at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The one that ran first.
    pub first: String,
    /// The one that joined it.
    pub second: String,
    /// When the second joined, unix time.
    pub from: Duration,
    /// How long both were alive; none while they still are.
    pub lasted: Option<Duration>,
}

/// Signing moved from one host to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// Signed last.
    pub from: String,
    /// Signed next.
    pub to: String,
    /// Whole slots between the last and the first message in which neither signed.
    pub gap_slots: u64,
    /// Time between the last and the first message.
    pub gap: Duration,
}

/// One host's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Host name.
    pub host: String,
    /// Messages signed.
    pub messages: usize,
    /// Unix time of its first message.
    pub first: Duration,
    /// Unix time of its last message.
    pub last: Duration,
}

/// Everything the referee can say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// What each host signed, in order of its first message.
    pub shares: Vec<Share>,
    /// Slashable pairs.
    pub offences: Vec<Offence>,
    /// Times in which two hosts could sign.
    pub overlaps: Vec<Overlap>,
    /// Where signing moved, in order.
    pub handovers: Vec<Handover>,
}

impl Verdict {
    /// Nothing slashable was signed, and no two hosts were able to sign at once.
    pub fn clean(&self) -> bool {
        self.offences.is_empty() && self.overlaps.is_empty()
    }
}

/// Keeps the messages; judges when asked.
#[derive(Debug, Clone, Default)]
pub struct Referee {
    history: Vec<Message>,
    messages: Vec<Message>,
}

impl Referee {
    /// A message from before the beginning: counts for slashing, not for gaps and shares.
    pub fn remember(&mut self, message: Message) {
        self.history.push(message);
    }

    /// A message that was signed now.
    pub fn record(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// What was signed since the beginning, in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Whether a key attested in an epoch, as a beacon node's liveness would say: until a given unix time.
    pub fn attested(&self, key: &str, epoch: u64, until: Duration) -> bool {
        self.messages.iter().chain(&self.history).any(|message| {
            let in_epoch = matches!(&message.signed, Signed::Attestation { target, .. } if *target == epoch);
            in_epoch && message.key == key && message.at <= until
        })
    }

    /// Every pair of messages for which a key can be slashed.
    pub fn slashable(&self) -> Vec<Offence> {
        let mut by_key: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
        for message in self.history.iter().chain(&self.messages) {
            by_key.entry(&message.key).or_default().push(message);
        }
        by_key
            .values()
            .flat_map(|messages| offences_of_one_key(messages))
            .collect()
    }

    /// The whole verdict, given when the hosts' validators were alive.
    pub fn verdict(&self, periods: &[Period]) -> Verdict {
        Verdict {
            shares: self.shares(),
            offences: self.slashable(),
            overlaps: overlaps(periods),
            handovers: self.handovers(),
        }
    }

    fn shares(&self) -> Vec<Share> {
        let mut shares: Vec<Share> = Vec::new();
        for message in &self.messages {
            match shares.iter_mut().find(|share| share.host == message.host) {
                Some(share) => {
                    share.messages += 1;
                    share.last = message.at;
                }
                None => shares.push(Share {
                    host: message.host.clone(),
                    messages: 1,
                    first: message.at,
                    last: message.at,
                }),
            }
        }
        shares
    }

    fn handovers(&self) -> Vec<Handover> {
        self.messages
            .windows(2)
            .filter_map(|pair| match pair {
                [last, first] if last.host != first.host => Some(Handover {
                    from: last.host.clone(),
                    to: first.host.clone(),
                    gap_slots: first.slot().saturating_sub(last.slot()).saturating_sub(1),
                    gap: first.at.saturating_sub(last.at),
                }),
                _ => None,
            })
            .collect()
    }
}

fn offences_of_one_key(messages: &[&Message]) -> Vec<Offence> {
    let mut found = Vec::new();
    for (position, second) in messages.iter().enumerate() {
        for first in messages.get(..position).unwrap_or_default() {
            if let Some(rule) = broken_rule(&first.signed, &second.signed) {
                found.push(Offence {
                    rule,
                    first: (*first).clone(),
                    second: (*second).clone(),
                });
            }
        }
    }
    found
}

/// The rule that two messages of one key break, if any. The same message twice breaks none.
pub fn broken_rule(one: &Signed, other: &Signed) -> Option<Rule> {
    match (one, other) {
        (
            Signed::Block {
                slot: a,
                root: root_a,
            },
            Signed::Block {
                slot: b,
                root: root_b,
            },
        ) => (a == b && root_a != root_b).then_some(Rule::DoubleProposal),
        (
            Signed::Attestation {
                source: s1,
                target: t1,
                root: root_a,
                ..
            },
            Signed::Attestation {
                source: s2,
                target: t2,
                root: root_b,
                ..
            },
        ) => {
            if t1 == t2 {
                (root_a != root_b || s1 != s2).then_some(Rule::DoubleVote)
            } else {
                ((s1 < s2 && t2 < t1) || (s2 < s1 && t1 < t2)).then_some(Rule::Surround)
            }
        }
        (Signed::Block { .. }, Signed::Attestation { .. })
        | (Signed::Attestation { .. }, Signed::Block { .. }) => None,
    }
}

fn overlaps(periods: &[Period]) -> Vec<Overlap> {
    let mut sorted: Vec<&Period> = periods.iter().collect();
    sorted.sort_by_key(|period| period.from);
    let mut found = Vec::new();
    for (position, second) in sorted.iter().enumerate() {
        for first in sorted.get(..position).unwrap_or_default() {
            let still_alive = first.until.is_none_or(|until| until > second.from);
            if first.host == second.host || !still_alive {
                continue;
            }
            let end = match (first.until, second.until) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            found.push(Overlap {
                first: first.host.clone(),
                second: second.host.clone(),
                from: second.from,
                lasted: end.map(|end| end.saturating_sub(second.from)),
            });
        }
    }
    found
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::DoubleProposal => "two blocks for one slot",
            Rule::DoubleVote => "two attestations for one target",
            Rule::Surround => "one attestation surrounds another",
        })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.signed {
            Signed::Block { slot, .. } => write!(f, "{} block at slot {slot}", self.host),
            Signed::Attestation {
                slot, source, target, ..
            } => {
                write!(f, "{} attestation {source} -> {target} at slot {slot}", self.host)
            }
        }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.first.key.chars().take(14).collect();
        write!(f, "{}: key {short}…: {}; {}", self.rule, self.first, self.second)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for share in &self.shares {
            let lasted = share.last.saturating_sub(share.first).as_secs_f64();
            writeln!(
                f,
                "{:<8} signed {} messages in {lasted:.1} s",
                share.host, share.messages
            )?;
        }
        for handover in &self.handovers {
            let (from, to, gap) = (&handover.from, &handover.to, handover.gap.as_secs_f64());
            writeln!(
                f,
                "{from} to {to}: nobody signed for {gap:.2} s ({} slots)",
                handover.gap_slots
            )?;
        }
        for overlap in &self.overlaps {
            let lasted = match overlap.lasted {
                Some(lasted) => format!("for {:.2} s", lasted.as_secs_f64()),
                None => "and still are".to_owned(),
            };
            writeln!(
                f,
                "TWO SIGNERS: {} and {} were alive together {lasted}",
                overlap.first, overlap.second
            )?;
        }
        for offence in &self.offences {
            writeln!(f, "SLASHABLE: {offence}")?;
        }
        if self.offences.is_empty() {
            write!(f, "slashable: 0")
        } else {
            write!(f, "slashable: {}", self.offences.len())
        }
    }
}

#[cfg(test)]
mod tests;
