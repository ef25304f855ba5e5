//! Makes complete interchanges as a client writes them: one attestation per key and epoch, with signing roots. The
//! same key, epoch and seed give the same root, so that two files can share a part of their history.
//!
//! Must never leave a half-written file that a later run would take for a whole one.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::Generated;

const BLOCKS: u64 = 3;
const SLOTS: u64 = 32;

/// Which epochs a file holds.
pub struct Shape {
    name: &'static str,
    keys: u64,
    first_epoch: u64,
    epochs: u64,
    /// From one attestation to the next, 1 for the order of time.
    step: u64,
}

impl Shape {
    /// 2,000 epochs.
    pub const FIRST: Self = Self {
        name: "first.json",
        keys: 1_000,
        step: 1,
        first_epoch: 300_000,
        epochs: 2_000,
    };
    /// 2,000 epochs, the first half of them the second half of [`Self::FIRST`].
    pub const SECOND: Self = Self {
        name: "second.json",
        keys: 1_000,
        step: 1,
        first_epoch: 301_000,
        epochs: 2_000,
    };
    /// 20,000 epochs.
    pub const LARGE: Self = Self {
        name: "large.json",
        keys: 1_000,
        step: 1,
        first_epoch: 300_000,
        epochs: 20_000,
    };

    /// One key with everything, in no order.
    pub const DISORDER: Self = Self {
        name: "disorder.json",
        keys: 1,
        step: 7_919,
        first_epoch: 300_000,
        epochs: 2_000_000,
    };

    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// Writes the file, or takes the one that is there: it got its name when it was whole.
pub fn generate(directory: &Path, shape: &Shape) -> Generated {
    let path = directory.join(shape.name);
    if !path.exists() {
        let unfinished = directory.join(format!("{}.unfinished", shape.name));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished).unwrap());
        write(&mut out, shape).unwrap();
        out.into_inner().unwrap().sync_all().unwrap();
        std::fs::rename(&unfinished, &path).unwrap();
    }
    Generated {
        bytes: path.metadata().unwrap().len(),
        path,
        records: shape.keys * (shape.epochs + BLOCKS),
    }
}

fn write(out: &mut impl Write, shape: &Shape) -> std::io::Result<()> {
    let chain = const_hex::encode(random(0, 0));
    write!(
        out,
        r#"{{"metadata":{{"interchange_format_version":"5","genesis_validators_root":"0x{chain}"}},"data":["#
    )?;
    for key in 0..shape.keys {
        let comma = if key == 0 { "" } else { "," };
        let pubkey = const_hex::encode([&random(key, 1)[..], &random(key, 2)[..16]].concat());
        write!(out, r#"{comma}{{"pubkey":"0x{pubkey}","signed_blocks":["#)?;
        for block in 0..BLOCKS {
            let comma = if block == 0 { "" } else { "," };
            let slot = (shape.first_epoch + block * 500) * SLOTS + key % SLOTS;
            let root = const_hex::encode(random(key, slot));
            write!(out, r#"{comma}{{"slot":"{slot}","signing_root":"0x{root}"}}"#)?;
        }
        write!(out, r#"],"signed_attestations":["#)?;
        for at in 0..shape.epochs {
            let comma = if at == 0 { "" } else { "," };
            let epoch = shape.first_epoch + at * shape.step % shape.epochs;
            let root = const_hex::encode(random(key, epoch));
            let source = epoch - 1;
            write!(
                out,
                r#"{comma}{{"source_epoch":"{source}","target_epoch":"{epoch}","signing_root":"0x{root}"}}"#
            )?;
        }
        write!(out, "]}}")?;
    }
    write!(out, "]}}")
}

/// 32 bytes that look random (splitmix64).
fn random(key: u64, of: u64) -> [u8; 32] {
    let mut state = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of.wrapping_mul(0xd134_2543_de82_ef95);
    let mut bytes = [0; 32];
    for part in bytes.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes
}
