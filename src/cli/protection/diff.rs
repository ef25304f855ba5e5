//! `failover protection diff`: may B take over from A? Per key, which is ahead and by how much. Must never say covered of a
//! key that B lacks, of another chain, or of a chain that nobody vouches for.

use serde_json::{Value, json};

use super::source::Source;
use super::table::{ROWS, number, table};
use super::{counted, root_of, say};
use crate::cli::args::{Diff, Global};
use crate::cli::printing::out_json;
use crate::cli::{Failure, code};
use crate::databases::{Format, Found};
use crate::protection::{Floors, GenesisRoot, History, PublicKey};

/// A key in either.
struct Line<'a> {
    key: &'a PublicKey,
    a: Option<Floors>,
    b: Option<Floors>,
}

/// One of the two.
struct Side {
    label: String,
    found: Found,
    history: History,
}

/// Runs the command.
pub fn diff(global: &Global, args: &Diff) -> Result<u8, Failure> {
    let expected = root_of(args.chain.genesis_validators_root.as_deref())?;
    let named = [args.a.clone(), args.b.clone()];
    let sources = Source::all(&named)?;
    let sides = sources.iter().map(side).collect::<Result<Vec<Side>, Failure>>()?;
    let [a, b] = sides.as_slice() else {
        return Err(Failure::usage("two sources are compared"));
    };
    let lines = lines(a, b);
    let mut against = chain(a, b, expected);
    against.extend(uncovered(&lines, &a.label, &b.label));
    // One reason twice is no second reason: a source may be compared with itself.
    against.dedup();
    let covers = against.is_empty();
    let notes = notes(b);
    if global.json {
        let keys: Vec<Value> = lines.iter().map(document).collect();
        out_json(
            &json!({ "schema": "failover.diff/1", "a": about(a), "b": about(b), "covers": covers, "against": against,
                     "keys": keys, "notes": notes }),
        )?;
    } else {
        let mut text = vec![verdict(a, b, covers)];
        text.extend(against.iter().map(|reason| format!("  {reason}")));
        text.extend(shown(&lines, args.keys));
        text.extend(notes.iter().map(|note| format!("note {note}")));
        say(global, &text.join("\n"));
    }
    Ok(if covers { 0 } else { code::REFUSED })
}

fn side(source: &Source<'_>) -> Result<Side, Failure> {
    let mut history = History::default();
    let found = source.read(&mut history)?;
    history.genesis_validators_root = found.genesis_validators_root;
    Ok(Side {
        label: source.label.clone(),
        found,
        history,
    })
}

fn lines<'a>(a: &'a Side, b: &'a Side) -> Vec<Line<'a>> {
    let keys: std::collections::BTreeSet<&PublicKey> =
        a.history.floors.keys().chain(b.history.floors.keys()).collect();
    keys.into_iter()
        .map(|key| Line {
            key,
            a: a.history.floors.get(key).copied(),
            b: b.history.floors.get(key).copied(),
        })
        .collect()
}

impl Line<'_> {
    /// B holds the key, and refuses all that A refuses.
    fn covered(&self) -> bool {
        match (&self.a, &self.b) {
            (None, _) => true,
            (Some(a), Some(b)) => b.covers(a),
            (Some(_), None) => false,
        }
    }

    /// Who is ahead, in words.
    fn ahead(&self) -> &'static str {
        match (&self.a, &self.b) {
            (Some(_), None) => "only in A",
            (None, _) => "only in B",
            (Some(a), Some(b)) => match (a.covers(b), b.covers(a)) {
                (true, true) => "equal",
                (true, false) => "A",
                (false, true) => "B",
                (false, false) => "both",
            },
        }
    }

    /// B minus A; what was never signed counts as 0.
    fn by(&self, component: fn(&Floors) -> Option<u64>) -> i64 {
        let of = |floors: &Option<Floors>| floors.as_ref().and_then(component).unwrap_or(0);
        // Both are at most 2^53.
        of(&self.b)
            .cast_signed()
            .saturating_sub(of(&self.a).cast_signed())
    }
}

/// Why it is not proven that both are of one chain.
fn chain(a: &Side, b: &Side, expected: Option<GenesisRoot>) -> Vec<String> {
    let roots = [
        (a, a.found.genesis_validators_root),
        (b, b.found.genesis_validators_root),
    ];
    let mut against = Vec::new();
    let expected = match expected {
        Some(expected) => Some(expected),
        None => {
            for (side, _) in roots.iter().filter(|(_, root)| root.is_none()) {
                against.push(format!(
                    "{} does not name its chain: if you know it, vouch for it with --genesis-validators-root ROOT",
                    side.label
                ));
            }
            roots[0].1
        }
    };
    for (side, root) in roots {
        if let (Some(root), Some(expected)) = (root, expected)
            && root != expected
        {
            against.push(format!(
                "{} is of another chain: {root}, not {expected}",
                side.label
            ));
        }
    }
    if a.history.floors.is_empty() {
        against.push(format!(
            "{} holds no keys: an export or a copy that failed looks the same",
            a.label
        ));
    }
    against
}

/// Which keys B must still learn of.
fn uncovered(lines: &[Line<'_>], a: &str, b: &str) -> Vec<String> {
    let missing: Vec<String> = lines
        .iter()
        .filter(|line| line.a.is_some() && line.b.is_none())
        .map(|line| line.key.short())
        .collect();
    let lower = lines
        .iter()
        .filter(|line| line.b.is_some() && !line.covered())
        .count();
    let mut against = Vec::new();
    if !missing.is_empty() {
        let listed = missing.iter().take(ROWS).cloned().collect::<Vec<_>>().join(", ");
        let more = match missing.len().saturating_sub(ROWS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let count = counted(missing.len() as u64, "key");
        against.push(format!(
            "{count} only in {a}, unknown to {b}: {listed}{more}. Merge {a} into {b} first"
        ));
    }
    if lower > 0 {
        let count = counted(lower as u64, "key");
        against.push(format!(
            "{count} for which {a} has signed further than {b} knows. Merge {a} into {b} first"
        ));
    }
    against
}

fn verdict(a: &Side, b: &Side, covers: bool) -> String {
    let (a, b) = (&a.label, &b.label);
    if covers {
        format!(
            "COVERED: {b} refuses all that {a} may have signed; {b} may sign without forgetting anything of {a}"
        )
    } else {
        format!(
            "NOT COVERED: {b} must not sign yet: it is not proven that it refuses all that {a} may have signed"
        )
    }
}

/// What floors do not tell (clients.md R17).
fn notes(b: &Side) -> Vec<String> {
    let mut notes: Vec<String> = b.found.notes.clone();
    match b.found.format {
        Format::Prysm | Format::Lodestar => notes.push(format!(
            "{}: this client refuses by its lowest message and by what it holds, not by its highest: covered means safe \
             only while its clock is right and goes forward",
            b.label
        )),
        Format::Interchange
        | Format::Lighthouse
        | Format::PrysmMinimal
        | Format::Teku
        | Format::Nimbus
        | Format::Web3Signer => {}
    }
    notes
}

fn about(side: &Side) -> Value {
    json!({ "source": side.label, "format": side.found.format.name(),
            "genesis_validators_root": side.found.genesis_validators_root,
            "keys": side.history.floors.len() })
}

fn document(line: &Line<'_>) -> Value {
    json!({ "key": line.key, "a": line.a, "b": line.b, "ahead": line.ahead(), "covered": line.covered(),
            "b_minus_a": { "block_slots": line.by(|floors| floors.block_slot),
                           "source_epochs": line.by(|floors| floors.source_epoch),
                           "target_epochs": line.by(|floors| floors.target_epoch) } })
}

/// A table of all keys, those that are not covered first.
fn shown(lines: &[Line<'_>], every_key: bool) -> Vec<String> {
    let shown = if every_key { usize::MAX } else { ROWS };
    let sorted = lines
        .iter()
        .filter(|line| !line.covered())
        .chain(lines.iter().filter(|line| line.covered()));
    let signed = |difference: i64| match difference {
        0 => "0".to_owned(),
        other => format!("{other:+}"),
    };
    let rows: Vec<Vec<String>> = sorted
        .take(shown)
        .map(|line| {
            let of = |floors: &Option<Floors>, component: fn(&Floors) -> Option<u64>| {
                number(floors.as_ref().and_then(component))
            };
            let key = if every_key {
                line.key.to_string()
            } else {
                line.key.short()
            };
            vec![
                key,
                line.ahead().to_owned(),
                of(&line.a, |floors| floors.block_slot),
                of(&line.b, |floors| floors.block_slot),
                signed(line.by(|floors| floors.block_slot)),
                of(&line.a, |floors| floors.target_epoch),
                of(&line.b, |floors| floors.target_epoch),
                signed(line.by(|floors| floors.target_epoch)),
                signed(line.by(|floors| floors.source_epoch)),
            ]
        })
        .collect();
    let head = [
        "key", "ahead", "slot A", "slot B", "slots", "target A", "target B", "epochs", "sources",
    ];
    let mut text = table(&head, &rows);
    if lines.len() > rows.len() {
        let more = counted((lines.len() - rows.len()) as u64, "key");
        text.push(format!("  and {more} more: --keys lists all"));
    }
    text
}
