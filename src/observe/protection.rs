//! A host's protection through its client's own export: the calls, and reading what came back. Looking uses a private
//! copy, so that the database stays as it is; after the fence the database itself is exported. Must never read a file
//! that an earlier export left behind.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::clients::Install;
use crate::protection::{History, Interchange, fold, read};
use crate::transport::{Batch, Call, Op, Output};

/// Where `remote.sh` keeps a run's work directory.
pub const WORK: &str = "/var/lib/failover/work";
/// The archive directory of a run on a host.
pub const ARCHIVE: &str = "/var/lib/failover/archive";
/// Larger exports travel on a channel of their own.
const INLINE_BYTES: u64 = 8 << 20;

static EXPORTS: AtomicU64 = AtomicU64::new(0);

/// The calls of one export and what is needed to read their outputs.
#[derive(Debug, Clone)]
pub struct ExportCalls {
    /// To be sent; the outputs are read by [`read_export`] in this order.
    pub calls: Batch,
    /// Where the client writes the document.
    pub file: String,
    copied: bool,
}

/// What an export came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Exported {
    /// The document and its bytes, whose hash was compared with the host's.
    Document(Box<Interchange>, Vec<u8>),
    /// It is too large to travel inside the frame: fetch this file, of this hash.
    Large { file: String, sha256: String },
    /// There is no database on the host.
    NoDatabase,
}

/// Calls for an export under the work directory of `run`. With `copy` the client opens a private copy, and the work
/// directory is cleared behind it.
pub fn export_calls(install: &Install, run: &str, copy: bool, limit_s: u64) -> ExportCalls {
    let number = EXPORTS.fetch_add(1, Ordering::Relaxed);
    let stamp = jiff::Timestamp::now().as_nanosecond();
    let work = format!("{WORK}/{run}");
    let mut calls = vec![Call::new(Op::WorkDir, [run, &install.user])];
    let at;
    let used = if copy {
        calls.push(Call::new(Op::Copy, [run, &install.database]));
        at = install.relocated(&work);
        &at
    } else {
        install
    };
    let (argv, file) = used.export(&work, &format!("export-{stamp}-{number}"));
    let mut args = vec![install.user.clone(), limit_s.to_string()];
    args.extend(argv);
    calls.push(Call { op: Op::Run, args });
    calls.push(Call::new(Op::Get, [file.clone(), INLINE_BYTES.to_string()]));
    if copy {
        calls.push(Call::new(Op::ClearWork, [run]));
    }
    ExportCalls { calls, file, copied: copy }
}

/// Reads the outputs of [`export_calls`]. The client's exit status alone proves nothing: the file decides.
///
/// # Errors
/// A step failed, the file is not there, its hash differs, or it is no interchange; with the client's last words.
pub fn read_export(calls: &ExportCalls, outputs: &[Output]) -> Result<Exported, String> {
    let mut outputs = outputs.iter();
    let mut next = || outputs.next().ok_or_else(|| "the answer ends too early".to_owned());
    next()?.ok().map_err(|why| format!("work directory: {why}"))?;
    if calls.copied {
        let copied = next()?.ok().map_err(|why| format!("copying the database: {why}"))?;
        if copied.contains("copy=absent") {
            return Ok(Exported::NoDatabase);
        }
    }
    let ran = next()?;
    let said = format!("{} {}", ran.stderr.trim(), ran.stdout.trim());
    let said = said.trim().lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").trim().to_owned();
    ran.ok().map_err(|why| format!("the client's export failed: {why}"))?;
    let got = next()?.ok().map_err(|why| format!("the client wrote no file ({why}); it said: {said}"))?;
    let mut lines = got.lines();
    let mut field = |name: &str| {
        lines
            .next()
            .and_then(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
            .ok_or_else(|| format!("the export has no {name}"))
    };
    let bytes: u64 = field("bytes=")?.parse().map_err(|_| "the export's size is no number".to_owned())?;
    let sha256 = field("sha256=")?;
    if bytes > INLINE_BYTES {
        return Ok(Exported::Large { file: calls.file.clone(), sha256 });
    }
    let text: String = lines.collect();
    let document = BASE64_STANDARD.decode(text.trim()).map_err(|error| format!("the export arrived torn: {error}"))?;
    let found = const_hex::encode(Sha256::digest(&document));
    if found != sha256 || document.len() as u64 != bytes {
        return Err(format!("the export arrived with hash {found}, the host says {sha256}"));
    }
    let interchange = read(&document).map_err(|error| error.to_string())?;
    Ok(Exported::Document(Box::new(interchange), document))
}

/// The folded history of a document. Entries without a single record are no keys: some clients export their own
/// metadata in that form.
pub fn history(interchange: &Interchange) -> History {
    let mut history = fold(interchange);
    history.floors.retain(|_, floors| {
        floors.block_slot.is_some() || floors.source_epoch.is_some() || floors.target_epoch.is_some()
    });
    history
}
