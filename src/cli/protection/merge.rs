//! `failover protection merge` and `convert`: any number of sources into one interchange file. Must never lower a floor,
//! mix chains, or write anything when the sources prove that something slashable was signed.

use std::path::Path;

use serde_json::json;

use super::network;
use super::output::{must_not_exist, store};
use super::source::Source;
use super::watermarks::told_once;
use super::{conflict_lines, counted, root_of, say};
use crate::cli::Failure;
use crate::cli::args::{Chain, Global, Merge, Strategy};
use crate::cli::printing::{err_line, out_json};
use crate::databases::Found;
use crate::protection::{
    self, Certainty, CompleteInput, Conflicts, Gap, GenesisRoot, History, Input, Interchange, MergeError,
    Merged, MergedComplete, find_conflicts, fold, merge_complete, write, write_complete,
};

/// Runs the command.
pub fn merge(global: &Global, args: &Merge) -> Result<u8, Failure> {
    let work = Work {
        schema: "failover.merge/2",
        output: &args.output,
        strategy: args.strategy,
        chain: &args.chain,
    };
    work.run(global, &args.sources)
}

/// What is to be written where.
pub struct Work<'a> {
    pub schema: &'static str,
    pub output: &'a Path,
    pub strategy: Strategy,
    pub chain: &'a Chain,
}

/// What came of the sources.
struct Seen<'a> {
    read: &'a [Read],
    pairs: &'a Conflicts,
    gaps: &'a [Gap],
}

/// A source that was read.
struct Read {
    label: String,
    found: Found,
    document: Interchange,
}

impl Work<'_> {
    pub fn run(&self, global: &Global, named: &[String]) -> Result<u8, Failure> {
        must_not_exist(self.output)?;
        let given = root_of(self.chain.genesis_validators_root.as_deref())?;
        let sources = Source::all(named)?;
        let read = sources.iter().map(read).collect::<Result<Vec<Read>, Failure>>()?;
        let pairs = slashable(&read)?;
        let merged = merged(&read, given)?;
        let mut gaps = Vec::new();
        if self.strategy.complete {
            let union = united(&read, given, merged.genesis_validators_root())?;
            store(self.output, |mut out| write_complete(&union, &mut out))?;
            gaps.extend_from_slice(union.gaps());
        } else {
            store(self.output, |out| out.write_all(&write(&merged)))?;
        }
        let seen = Seen {
            read: &read,
            pairs: &pairs,
            gaps: &gaps,
        };
        self.tell(global, &seen, &merged)?;
        Ok(0)
    }

    fn tell(&self, global: &Global, seen: &Seen<'_>, merged: &Merged) -> Result<(), Failure> {
        let (read, pairs) = (seen.read, seen.pairs);
        let root = merged.genesis_validators_root();
        let strategy = if self.strategy.complete {
            "complete"
        } else {
            "minimal"
        };
        let notes = |one: &Read| -> Vec<String> {
            let notes = one.found.notes.iter();
            notes.map(|note| format!("{}: {note}", one.label)).collect()
        };
        let notes: Vec<String> = read.iter().flat_map(notes).collect();
        if global.json {
            let sources: Vec<_> = read
                .iter()
                .map(|one| {
                    json!({ "source": one.label, "format": one.found.format.name(), "keys": one.document.records.len(),
                            "blocks": one.found.blocks, "attestations": one.found.attestations })
                })
                .collect();
            out_json(
                &json!({ "schema": self.schema, "output": self.output, "strategy": strategy,
                         "genesis_validators_root": root, "keys": merged.floors().len(), "sources": sources,
                         "floors": merged.floors(), "raises": merged.raises(), "conflicts": pairs, "gaps": seen.gaps, "notes": notes }),
            )?;
            return Ok(());
        }
        let mut lines = vec![format!(
            "{}: {}, {strategy}, no floor lower than in any source",
            self.output.display(),
            counted(merged.floors().len() as u64, "key")
        )];
        lines.push(format!("  chain {}", network::shown(Some(root))));
        let raises = merged.raises().iter().filter(|_| !self.strategy.complete);
        lines.extend(raises.map(|raise| {
            let (from, to) = (raise.from, raise.to);
            format!(
                "  raised {}: ({from}) to ({to}), which every client can hold",
                raise.key.short()
            )
        }));
        say(global, &lines.join("\n"));
        let gaps = seen.gaps.iter().map(|gap| {
            format!(
                "key {}: one source refuses at and below ({}), the union only at and below ({}): messages between them that \
                 neither source holds would be signed. Import the minimal one",
                gap.key.short(),
                gap.refused,
                gap.lowest
            )
        });
        for line in conflict_lines(pairs).into_iter().chain(notes).chain(gaps) {
            err_line(&line);
        }
        if self.strategy.complete && !pairs.listed.is_empty() {
            err_line(
                "Prysm and Qrysm may blacklist these keys for ever when they import this file: import the minimal one",
            );
        }
        Ok(())
    }
}

fn read(source: &Source<'_>) -> Result<Read, Failure> {
    let mut document = Interchange::default();
    let found = source.read(&mut document)?;
    document.genesis_validators_root = found.genesis_validators_root;
    told_once(&found, &mut document);
    if document.records.is_empty() {
        return Err(Failure::refused(format!(
            "{}: it holds no keys: an export or a copy that failed looks the same. Leave it out if it is right. Nothing \
             was written",
            source.label
        )));
    }
    Ok(Read {
        label: source.label.clone(),
        found,
        document,
    })
}

/// Pairs that are possible; one that is proven ends it.
fn slashable(read: &[Read]) -> Result<Conflicts, Failure> {
    let labelled: Vec<(&str, &Interchange)> = read
        .iter()
        .map(|one| (one.label.as_str(), &one.document))
        .collect();
    let pairs = find_conflicts(&labelled);
    let Some(first) = pairs.first_proven() else {
        return Ok(pairs);
    };
    Err(Failure::refused(format!(
        "the sources prove that something slashable was signed ({} in all): {first}. Nothing was written. Stop every \
         validator of this key and find out who signed; `failover protection inspect` on these sources lists more",
        counted(pairs.count(Certainty::Proven), "pair")
    )))
}

/// Every message of every source, once.
fn united(read: &[Read], given: Option<GenesisRoot>, root: GenesisRoot) -> Result<MergedComplete, Failure> {
    let inputs: Vec<CompleteInput<'_>> = read
        .iter()
        .map(|one| CompleteInput {
            root_vouched: given.is_some(),
            ..CompleteInput::new(&one.label, &one.document)
        })
        .collect();
    merge_complete(&inputs, root).map_err(|error| Failure::refused(format!("{error}. Nothing was written")))
}

fn merged(read: &[Read], given: Option<GenesisRoot>) -> Result<Merged, Failure> {
    let named = read.iter().find_map(|one| one.found.genesis_validators_root);
    let root = given.or(named).ok_or_else(|| {
        Failure::refused(
            "no source names its chain. If you know it, vouch for it: --genesis-validators-root ROOT. Nothing was written",
        )
    })?;
    let histories: Vec<(String, History)> = read
        .iter()
        .map(|one| (one.label.clone(), fold(&one.document)))
        .collect();
    let inputs: Vec<Input<'_>> = histories
        .iter()
        .map(|(label, history)| match given {
            Some(_) => Input::vouched(label, history),
            None => Input::new(label, history),
        })
        .collect();
    protection::merge(&inputs, root).map_err(|error| {
        let how = match &error {
            MergeError::UnknownChain { expected, .. } => {
                format!(". To vouch: --genesis-validators-root {expected}")
            }
            MergeError::NoInput | MergeError::OtherChain { .. } | MergeError::TooLarge { .. } => {
                String::new()
            }
        };
        Failure::refused(format!("{error}{how}. Nothing was written"))
    })
}
