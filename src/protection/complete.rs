//! The complete writer: every message of any number of documents, in the strict form, for keeping and for clients that
//! keep everything (EIP-3076, complete strategy).
//!
//! Must never leave a message out: two are one only when their numbers are equal and no two known roots differ.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::interchange::{Interchange, Record, SignedAttestation, SignedBlock};
use super::pubkey::PublicKey;
use super::root::{GenesisRoot, Root};

/// Writes one entry per key, sorted, messages sorted and each once, byte for byte the same for the same messages. A
/// message whose root one client forgot (Teku, Lighthouse's import) and another kept is one message, with its root: two
/// entries would make Prysm and Qrysm blacklist the key. A key that never proposed gets a block of slot "0", since
/// Prysm's exporter returns nothing for all keys when one lacks it; so such a block that was read is not kept beside
/// others. Unknown roots are left out: Teku refuses null and the empty text.
///
/// # Errors
/// Those of `out`.
pub fn write_complete(
    out: &mut (impl Write + ?Sized),
    genesis_validators_root: GenesisRoot,
    documents: &[&Interchange],
) -> io::Result<()> {
    write!(
        out,
        r#"{{"metadata":{{"interchange_format_version":"5","genesis_validators_root":"{genesis_validators_root}"}},"data":["#
    )?;
    let keys: BTreeSet<&PublicKey> = documents
        .iter()
        .flat_map(|document| document.records.keys())
        .collect();
    for (at, key) in keys.into_iter().enumerate() {
        let records = documents.iter().filter_map(|document| document.records.get(key));
        let comma = if at == 0 { "" } else { "," };
        write!(out, r#"{comma}{{"pubkey":"{key}","signed_blocks":["#)?;
        entry(out, &records.collect::<Vec<_>>())?;
    }
    out.write_all(b"]}")
}

fn entry(out: &mut (impl Write + ?Sized), records: &[&Record]) -> io::Result<()> {
    let blocks = records.iter().flat_map(|record| &record.blocks).copied();
    let mut blocks: Vec<SignedBlock> = blocks.filter(|block| block.slot > 0).collect();
    // Unknown roots sort before known ones, so that the last of equal numbers is the one to keep.
    blocks.sort_unstable();
    let mut comma = "";
    for (at, block) in blocks.iter().enumerate() {
        let next = blocks.get(at.saturating_add(1));
        if next.is_some_and(|next| next.slot == block.slot && told_by(block.signing_root, next.signing_root))
        {
            continue;
        }
        write!(
            out,
            r#"{comma}{{"slot":"{}"{}}}"#,
            block.slot,
            Shown(block.signing_root)
        )?;
        comma = ",";
    }
    if comma.is_empty() {
        out.write_all(br#"{"slot":"0"}"#)?;
    }
    out.write_all(br#"],"signed_attestations":["#)?;
    attestations(out, records)?;
    out.write_all(b"]}")
}

fn attestations(out: &mut (impl Write + ?Sized), records: &[&Record]) -> io::Result<()> {
    let votes = records.iter().flat_map(|record| &record.attestations).copied();
    let mut votes: Vec<SignedAttestation> = votes.collect();
    votes.sort_unstable();
    let mut comma = "";
    for (at, vote) in votes.iter().enumerate() {
        let next = votes.get(at.saturating_add(1));
        let same = |next: &SignedAttestation| {
            (next.source_epoch, next.target_epoch) == (vote.source_epoch, vote.target_epoch)
                && told_by(vote.signing_root, next.signing_root)
        };
        if next.is_some_and(same) {
            continue;
        }
        write!(
            out,
            r#"{comma}{{"source_epoch":"{}","target_epoch":"{}"{}}}"#,
            vote.source_epoch,
            vote.target_epoch,
            Shown(vote.signing_root)
        )?;
        comma = ",";
    }
    Ok(())
}

/// Whether the next record says all that this one says.
fn told_by(root: Option<Root>, next: Option<Root>) -> bool {
    root.is_none() || root == next
}

/// The field of a known root.
struct Shown(Option<Root>);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(root) => write!(f, r#","signing_root":"{root}""#),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::{fold, read};

    fn document(blocks: &[(u64, u8)], votes: &[(u64, u64, u8)]) -> Interchange {
        let root = |byte: u8| Root::known([byte; 32]);
        let record = Record {
            blocks: blocks
                .iter()
                .map(|(slot, byte)| SignedBlock {
                    slot: *slot,
                    signing_root: root(*byte),
                })
                .collect(),
            attestations: votes
                .iter()
                .map(|(source, target, byte)| SignedAttestation {
                    source_epoch: *source,
                    target_epoch: *target,
                    signing_root: root(*byte),
                })
                .collect(),
        };
        Interchange {
            genesis_validators_root: None,
            records: [(PublicKey::parse("0xabab").unwrap(), record)].into(),
        }
    }

    fn written(documents: &[&Interchange]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_complete(&mut bytes, GenesisRoot([1; 32]), documents).unwrap();
        bytes
    }

    /// Proves that messages are united as the doc comment says: nothing lost, nothing twice.
    #[test]
    fn unites_messages() {
        let one = document(&[(5, 0), (7, 1), (0, 0)], &[(1, 2, 0), (2, 3, 9), (2, 3, 9)]);
        let two = document(&[(5, 4), (7, 1), (7, 2)], &[(1, 2, 8), (2, 3, 0), (1, 3, 0)]);
        let expected = document(&[(5, 4), (7, 1), (7, 2)], &[(1, 2, 8), (1, 3, 0), (2, 3, 9)]);
        let bytes = written(&[&one, &two]);
        let read = read(&bytes).unwrap();
        assert_eq!(read.records, expected.records);
        assert_eq!(written(&[&two, &one]), bytes);
        assert_eq!(written(&[&read]), bytes);
        assert_eq!(written(&[&read, &one]), bytes);
    }

    /// Proves the strict form for a key that signed nothing, and that floors stay what they were.
    #[test]
    fn a_key_without_messages_is_kept() {
        let none = document(&[], &[]);
        let bytes = written(&[&none]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            text.ends_with(
                r#""data":[{"pubkey":"0xabab","signed_blocks":[{"slot":"0"}],"signed_attestations":[]}]}"#
            ),
            "{text}"
        );
        assert_eq!(fold(&read(&bytes).unwrap()).floors, fold(&none).floors);
    }
}
