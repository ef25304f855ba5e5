//! `failover protection inspect`: whose database it is, which chain, how far each key has signed and how long ago, and what
//! is odd about it. Must never hide one source's failure behind another's answer, nor tell an age without a clock.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::gathered::Gathered;
use super::network::{self, Network, span};
use super::source::Source;
use super::table::{ROWS, number, table};
use super::watermarks::told_once;
use super::{conflict_lines, counted, say};
use crate::cli::Failure;
use crate::cli::args::{Global, Inspect};
use crate::cli::printing::{err_line, out_json};
use crate::databases::{Format, Found};
use crate::protection::{Conflicts, Floors, Interchange, PublicKey, find_conflicts};

/// One source that was read.
struct Seen {
    label: String,
    found: Found,
    gathered: Gathered,
    network: Option<Network>,
    problems: Vec<String>,
}

impl Seen {
    /// The clock to count by; none when it is that of another chain.
    fn clock(&self) -> Option<&Network> {
        let root = self.found.genesis_validators_root;
        self.network
            .as_ref()
            .filter(|network| !root.is_some_and(|root| network.contradicts(root)))
    }
}

/// Runs the command.
pub fn inspect(global: &Global, args: &Inspect) -> Result<u8, Failure> {
    let sources = Source::all(&args.sources)?;
    let asked = network::asked(&args.clock)?;
    let now = args.clock.at.unwrap_or_else(Timestamp::now);
    let mut seen = Vec::new();
    let mut failed = Vec::new();
    for source in &sources {
        match look(source, asked.as_ref(), now) {
            Ok(one) => seen.push(one),
            Err(failure) => failed.push((source.label.clone(), failure)),
        }
    }
    let code = failed.iter().map(|(_, failure)| failure.code).max().unwrap_or(0);
    let pairs = slashable(&seen);
    if global.json {
        let errors: Vec<Value> = failed
            .iter()
            .map(|(label, failure)| json!({ "source": label, "error": failure.message }))
            .collect();
        let sources: Vec<Value> = seen.iter().map(|one| document(one, now)).collect();
        out_json(
            &json!({ "schema": "failover.inspect/2", "at": now.to_string(), "sources": sources, "errors": errors,
                     "conflicts": pairs }),
        )?;
    } else {
        let mut lines: Vec<String> = seen.iter().flat_map(|one| lines(one, args.keys, now)).collect();
        lines.extend(conflict_lines(&pairs));
        if !lines.is_empty() {
            say(global, &lines.join("\n"));
        }
    }
    for (_, failure) in &failed {
        err_line(&format!("failover: {}", failure.message));
    }
    Ok(code)
}

fn look(source: &Source<'_>, asked: Option<&Network>, now: Timestamp) -> Result<Seen, Failure> {
    let mut gathered = Gathered::new();
    let found = source.read(&mut gathered)?;
    if let Some(whole) = &mut gathered.whole {
        told_once(&found, whole);
    }
    let root = found.genesis_validators_root;
    let network = asked.or_else(|| root.and_then(network::known)).cloned();
    let mut one = Seen {
        label: source.label.clone(),
        found,
        gathered,
        network,
        problems: Vec::new(),
    };
    one.problems = problems(&one, now);
    Ok(one)
}

fn slashable(seen: &[Seen]) -> Conflicts {
    let whole: Vec<(&str, &Interchange)> = seen
        .iter()
        .filter_map(|one| Some((one.label.as_str(), one.gathered.whole.as_ref()?)))
        .collect();
    find_conflicts(&whole)
}

fn problems(seen: &Seen, now: Timestamp) -> Vec<String> {
    let mut problems = Vec::new();
    let floors = &seen.gathered.history.floors;
    let root = seen.found.genesis_validators_root;
    if floors.is_empty() {
        problems.push("it holds no keys: an export or a copy that failed looks the same".to_owned());
    }
    if root.is_none() && seen.found.format == Format::Interchange {
        problems.push("it does not name its chain: genesis_validators_root is missing".to_owned());
    }
    if root.is_some_and(|root| root.0 == [0; 32]) {
        problems.push("it names a chain of zeros: it was exported without a beacon node".to_owned());
    }
    let Some(network) = &seen.network else {
        return problems;
    };
    if root.is_some_and(|root| network.contradicts(root)) {
        problems.push("it is of another chain than the network that was given".to_owned());
        return problems;
    }
    let Some(epoch) = network.epoch_at(now) else {
        problems.push("by this clock the network has not begun yet".to_owned());
        return problems;
    };
    let ahead = |key: &PublicKey, floors: &Floors| {
        let target = floors.target_epoch?;
        (target > epoch).then(|| {
            format!(
                "{} has signed for epoch {target}, and it is epoch {epoch}",
                key.short()
            )
        })
    };
    let early: Vec<String> = floors
        .iter()
        .filter_map(|(key, floors)| ahead(key, floors))
        .collect();
    if let Some(first) = early.first() {
        let of = counted(early.len() as u64, "key");
        problems.push(format!(
            "{of} ahead of the clock: {first}. Either the clock, the network or that number is wrong"
        ));
    }
    problems
}

/// The highest of all keys, component by component.
fn newest(seen: &Seen) -> Floors {
    let floors = seen.gathered.history.floors.values();
    floors.fold(Floors::default(), |newest, floors| newest.join(*floors))
}

/// Slots and epochs that have gone by since; only with a clock, and not for what lies ahead of it.
fn ages(seen: &Seen, floors: &Floors, now: Timestamp) -> (Option<u64>, Option<u64>) {
    let network = seen.clock();
    let since = |now: Option<u64>, then: Option<u64>| now?.checked_sub(then?);
    let slots = since(
        network.and_then(|network| network.slot_at(now)),
        floors.block_slot,
    );
    let epochs = since(
        network.and_then(|network| network.epoch_at(now)),
        floors.target_epoch,
    );
    (slots, epochs)
}

fn document(seen: &Seen, now: Timestamp) -> Value {
    let newest = newest(seen);
    let (slots, epochs) = ages(seen, &newest, now);
    let root = seen.found.genesis_validators_root;
    json!({
        "source": seen.label,
        "format": seen.found.format.name(),
        "genesis_validators_root": root,
        "chain": root.and_then(network::known).and_then(|network| network.name),
        "clock": seen.clock(),
        "keys": seen.gathered.history.floors.len(),
        "blocks": seen.found.blocks,
        "attestations": seen.found.attestations,
        "newest": newest,
        "age": { "slots": slots, "epochs": epochs },
        "floors": seen.gathered.history.floors,
        "conflicts_checked": seen.gathered.whole.is_some(),
        "notes": seen.found.notes,
        "problems": seen.problems,
    })
}

fn lines(seen: &Seen, every_key: bool, now: Timestamp) -> Vec<String> {
    let floors = &seen.gathered.history.floors;
    let newest = newest(seen);
    let mut lines = vec![
        format!("{}: {}", seen.label, whose(seen)),
        format!("  chain   {}", chain(seen)),
        format!(
            "  holds   {}, {}, {}",
            counted(floors.len() as u64, "key"),
            counted(seen.found.blocks, "block"),
            counted(seen.found.attestations, "attestation")
        ),
        format!("  newest  {}", told_newest(seen, &newest, now)),
    ];
    let shown = if every_key { usize::MAX } else { ROWS };
    let rows: Vec<Vec<String>> = floors
        .iter()
        .take(shown)
        .map(|(key, floors)| row(seen, every_key, key, floors, now))
        .collect();
    if !rows.is_empty() {
        let head: &[&str] = if seen.clock().is_some() {
            &["key", "block slot", "source", "target", "epochs ago"]
        } else {
            &["key", "block slot", "source", "target"]
        };
        lines.extend(table(head, &rows));
    }
    if floors.len() > rows.len() {
        let more = floors.len() - rows.len();
        lines.push(format!(
            "  and {} more: --keys lists all",
            counted(more as u64, "key")
        ));
    }
    if seen.gathered.whole.is_none() {
        let look = "too large to look for slashable messages here: `failover protection validate` does";
        lines.push(format!("  note    {look}"));
    }
    lines.extend(seen.found.notes.iter().map(|note| format!("  note    {note}")));
    lines.extend(seen.problems.iter().map(|problem| format!("  PROBLEM {problem}")));
    lines
}

fn row(seen: &Seen, in_full: bool, key: &PublicKey, floors: &Floors, now: Timestamp) -> Vec<String> {
    let name = if in_full { key.to_string() } else { key.short() };
    let mut cells = vec![
        name,
        number(floors.block_slot),
        number(floors.source_epoch),
        number(floors.target_epoch),
    ];
    if seen.clock().is_some() {
        cells.push(number(ages(seen, floors, now).1));
    }
    cells
}

fn told_newest(seen: &Seen, newest: &Floors, now: Timestamp) -> String {
    let (slots, epochs) = ages(seen, newest, now);
    let ago = |count: Option<u64>, what: &str, each_s: u64| match count {
        Some(count) => {
            let time = span(count.saturating_mul(each_s));
            format!(" ({} ago, {time})", counted(count, what))
        }
        None => String::new(),
    };
    let (slot_s, epoch_s) = seen
        .clock()
        .map_or((0, 0), |network| (network.seconds_per_slot, network.epoch_s()));
    let block = match newest.block_slot {
        Some(slot) => format!("block slot {slot}{}", ago(slots, "slot", slot_s)),
        None => "no block".to_owned(),
    };
    let vote = match newest.target_epoch {
        Some(target) => format!("attestation target {target}{}", ago(epochs, "epoch", epoch_s)),
        None => "no attestation".to_owned(),
    };
    let how = if seen.network.is_some() {
        ""
    } else {
        "\n          how long ago is not known: give --network, or --genesis-time, --seconds-per-slot and \
         --slots-per-epoch"
    };
    format!("{block}, {vote}{how}")
}

fn chain(seen: &Seen) -> String {
    match (seen.found.genesis_validators_root, seen.found.format) {
        (None, Format::Lighthouse) => "not named: Lighthouse keeps none".to_owned(),
        (root, _) => network::shown(root),
    }
}

/// Whose it is, for people. Qrysm's is Prysm's with longer keys.
fn whose(seen: &Seen) -> &'static str {
    let mut keys = seen.gathered.history.floors.keys();
    match seen.found.format {
        Format::Interchange => "interchange (EIP-3076)",
        Format::Lighthouse => "Lighthouse (SQLite)",
        Format::Prysm => match keys.next().map(|key| key.as_bytes().len()) {
            Some(48) => "Prysm, complete (bbolt)",
            Some(2592) => "Qrysm (bbolt)",
            Some(_) | None => "Prysm or Qrysm, complete (bbolt)",
        },
        Format::PrysmMinimal => "Prysm, minimal (YAML)",
        Format::Teku => "Teku (YAML)",
        Format::Nimbus => "Nimbus (SQLite)",
        Format::Lodestar => "Lodestar (LevelDB)",
        Format::Web3Signer => "Web3Signer (PostgreSQL)",
    }
}
