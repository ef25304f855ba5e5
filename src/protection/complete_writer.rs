//! The strict writer for complete histories, as a stream: one entry at a time.
//!
//! Must never write null, an empty root, a number without quotes, a key twice or without a block entry: each of these
//! makes some client refuse the file, or lose a record of it.

use std::io::{Error, Write};

use const_hex::Buffer;

use super::interchange::Record;
use super::merge::MergedComplete;
use super::pubkey::PublicKey;
use super::root::Root;

/// Bytes gathered before they are written.
const CHUNK: usize = 64 << 10;

/// Writes one entry per key, sorted, compact, byte for byte the same for the same messages: both lists, numbers in
/// quotes, an unknown root left out, and slot "0" for a key that never proposed, see [`super::write`]. Memory stays at
/// a few chunks of 64 KiB; no buffered writer is needed. The file is whole when this returns: sync it, then rename it.
///
/// # Errors
/// What the writer `out` says.
pub fn write_complete(merged: &MergedComplete, out: &mut impl Write) -> Result<(), Error> {
    let mut chunk = Vec::with_capacity(2 * CHUNK);
    let chain = merged.genesis_validators_root();
    chunk.extend_from_slice(br#"{"metadata":{"interchange_format_version":"5","genesis_validators_root":""#);
    chunk.extend_from_slice(chain.to_string().as_bytes());
    chunk.extend_from_slice(br#""},"data":["#);
    for (at, (key, record)) in merged.records().iter().enumerate() {
        if at > 0 {
            chunk.push(b',');
        }
        entry(key, record, &mut chunk, out)?;
    }
    chunk.extend_from_slice(b"]}");
    out.write_all(&chunk)?;
    out.flush()
}

fn entry(key: &PublicKey, record: &Record, chunk: &mut Vec<u8>, out: &mut impl Write) -> Result<(), Error> {
    chunk.extend_from_slice(br#"{"pubkey":""#);
    chunk.extend_from_slice(key.to_string().as_bytes());
    chunk.extend_from_slice(br#"","signed_blocks":["#);
    if record.blocks.is_empty() {
        chunk.extend_from_slice(br#"{"slot":"0"}"#);
    }
    for (at, block) in record.blocks.iter().enumerate() {
        chunk.extend_from_slice(if at > 0 { br#",{"slot":"# } else { br#"{"slot":"# });
        quoted(block.slot, chunk);
        close(block.signing_root, chunk, out)?;
    }
    chunk.extend_from_slice(br#"],"signed_attestations":["#);
    for (at, vote) in record.attestations.iter().enumerate() {
        if at > 0 {
            chunk.push(b',');
        }
        chunk.extend_from_slice(br#"{"source_epoch":"#);
        quoted(vote.source_epoch, chunk);
        chunk.extend_from_slice(br#","target_epoch":"#);
        quoted(vote.target_epoch, chunk);
        close(vote.signing_root, chunk, out)?;
    }
    chunk.extend_from_slice(b"]}");
    spill(chunk, out)
}

/// The end of a message.
fn close(root: Option<Root>, chunk: &mut Vec<u8>, out: &mut impl Write) -> Result<(), Error> {
    if let Some(root) = root {
        chunk.extend_from_slice(br#","signing_root":""#);
        chunk.extend_from_slice(Buffer::<32, true>::new().format(root.as_bytes()).as_bytes());
        chunk.push(b'"');
    }
    chunk.push(b'}');
    spill(chunk, out)
}

fn spill(chunk: &mut Vec<u8>, out: &mut impl Write) -> Result<(), Error> {
    if chunk.len() >= CHUNK {
        out.write_all(chunk)?;
        chunk.clear();
    }
    Ok(())
}

fn quoted(mut number: u64, chunk: &mut Vec<u8>) {
    let from = chunk.len() + 1;
    chunk.push(b'"');
    loop {
        // Below ten, so it fits.
        chunk.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    chunk.get_mut(from..).unwrap_or_default().reverse();
    chunk.push(b'"');
}
