//! `failover protection validate`: is it whole, of one chain, and free of slashable messages? Keeps every message, for a
//! slashable pair may be any two. Must never call valid what was only partly looked at.

use serde_json::json;

use super::source::Source;
use super::watermarks::told_once;
use super::{conflict_lines, counted, root_of, say};
use crate::cli::args::{Global, Validate};
use crate::cli::printing::out_json;
use crate::cli::{Failure, code};
use crate::databases::{Format, Found};
use crate::protection::{Certainty, GenesisRoot, Interchange, find_conflicts};

/// Runs the command. A pair that is only possible counts against an interchange, since importers refuse it or blacklist the
/// key; in a database it is shown and does not count, since watermarks beside messages look like one.
pub fn validate(global: &Global, args: &Validate) -> Result<u8, Failure> {
    let expected = root_of(args.chain.genesis_validators_root.as_deref())?;
    let source = Source::new(&args.source);
    let mut document = Interchange::default();
    let found = source.read(&mut document)?;
    told_once(&found, &mut document);
    let mut problems = chain(&found, expected);
    if document.records.is_empty() {
        problems.push("it holds no keys".to_owned());
    }
    let pairs = find_conflicts(&[(source.label.as_str(), &document)]);
    let wrong = match found.format {
        Format::Interchange => pairs.count(Certainty::Proven) + pairs.count(Certainty::Possible),
        Format::Lighthouse
        | Format::Prysm
        | Format::PrysmMinimal
        | Format::Teku
        | Format::Nimbus
        | Format::Lodestar
        | Format::Web3Signer => pairs.count(Certainty::Proven),
    };
    let valid = problems.is_empty() && wrong == 0;
    let keys = document.records.len() as u64;
    if global.json {
        out_json(
            &json!({ "schema": "failover.validate/2", "source": source.label, "format": found.format.name(),
                     "genesis_validators_root": found.genesis_validators_root, "valid": valid, "keys": keys,
                     "blocks": found.blocks, "attestations": found.attestations, "problems": problems,
                     "conflicts": pairs, "notes": found.notes }),
        )?;
    } else {
        let label = &source.label;
        let mut lines = vec![if valid {
            let held = counted(found.blocks, "block");
            let votes = counted(found.attestations, "attestation");
            format!(
                "VALID {label}: {}, {held}, {votes}, nothing slashable among them",
                counted(keys, "key")
            )
        } else {
            let count = wrong.saturating_add(problems.len() as u64);
            format!("INVALID {label}: {}", counted(count, "problem"))
        }];
        lines.extend(problems.iter().map(|problem| format!("PROBLEM {problem}")));
        lines.extend(conflict_lines(&pairs));
        lines.extend(found.notes.iter().map(|note| format!("note {note}")));
        say(global, &lines.join("\n"));
    }
    Ok(if valid { 0 } else { code::REFUSED })
}

/// What is wrong with the chain it names. Lighthouse's database never names one, other databases may not yet.
fn chain(found: &Found, expected: Option<GenesisRoot>) -> Vec<String> {
    let problem = match (found.genesis_validators_root, expected) {
        (Some(root), Some(expected)) if root != expected => {
            Some(format!("it is of chain {root}, not {expected}"))
        }
        (Some(root), None) if root.0 == [0; 32] => {
            Some("it names a chain of zeros: it was exported without a beacon node".to_owned())
        }
        (None, _) if found.format == Format::Interchange => {
            Some("genesis_validators_root is missing".to_owned())
        }
        (Some(_) | None, Some(_) | None) => None,
    };
    problem.into_iter().collect()
}
