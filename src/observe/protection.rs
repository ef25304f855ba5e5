//! A host's protection through its client's own export: the calls, and reading what came back. Looking uses a private
//! copy, so that the database stays as it is; after the fence the database itself is exported. Must never read a file
//! that an earlier export left behind.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::install::client;
use crate::clients::{Client, ExportFailure, Install};
use crate::protection::{History, Interchange, fold, read};
use crate::transport::{Batch, Call, Op, Output};

/// Where `remote.sh` keeps a run's work directory.
pub const WORK: &str = "/var/lib/failover/work";
/// The archive directory of a run on a host.
pub const ARCHIVE: &str = "/var/lib/failover/archive";
/// Larger exports travel on a channel of their own.
pub(super) const INLINE_BYTES: u64 = 8 << 20;

static WORKS: AtomicU64 = AtomicU64::new(0);

/// The calls of one export and what is needed to read their outputs.
#[derive(Debug, Clone)]
pub struct ExportCalls {
    /// To be sent; the outputs are read by [`read_export`] in this order.
    pub calls: Batch,
    /// Where the client writes the document.
    pub file: String,
    id: String,
    client: &'static Client,
    copied: bool,
}

impl ExportCalls {
    /// Name of the work directory, for clearing it.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// What an export came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Exported {
    /// The document and its bytes, whose hash was compared with the host's.
    Document(Box<Interchange>, Vec<u8>),
    /// It is too large to travel inside the frame: fetch this file, of this hash.
    Large {
        /// Path on the host.
        file: String,
        /// What the host says of it.
        sha256: String,
    },
    /// There is no database on the host.
    NoDatabase,
}

/// Calls for an export in a work directory of its own below `run`. With `copy` the client opens a private copy.
///
/// # Errors
/// The client's command is not known.
pub fn export_calls(install: &Install, run: &str, copy: bool, limit_s: u64) -> Result<ExportCalls, String> {
    let client = client(install)?;
    let id = work_id(run);
    let work = format!("{WORK}/{id}");
    let mut calls = vec![Call::new(Op::WorkDir, [&id, &install.user])];
    let at;
    let used = if copy {
        calls.push(Call::new(Op::Copy, [&id, &install.database]));
        at = install.relocated(&work);
        &at
    } else {
        install
    };
    calls.push(client.protection_call(install, limit_s, (client.export)(used, &work)?));
    let file = (client.exported_file)(&work);
    calls.push(Call::new(Op::Get, [file.clone(), INLINE_BYTES.to_string()]));
    Ok(ExportCalls {
        calls,
        file,
        id,
        client,
        copied: copy,
    })
}

/// Reads the outputs of [`export_calls`]. The client's exit status alone proves nothing: the file decides.
///
/// # Errors
/// A step failed, the file is not there, its hash differs, or it is no interchange; with the client's last words.
pub fn read_export(calls: &ExportCalls, outputs: &[Output]) -> Result<Exported, String> {
    let mut outputs = outputs.iter();
    let mut next = || {
        outputs
            .next()
            .ok_or_else(|| "the answer ends too early".to_owned())
    };
    next()?.ok().map_err(|why| format!("work directory: {why}"))?;
    if calls.copied {
        let copied = next()?
            .ok()
            .map_err(|why| format!("copying the database: {why}"))?;
        if copied.contains("copy=absent") {
            return calls.client.may_begin_without().map(|()| Exported::NoDatabase);
        }
    }
    let ran = next()?;
    if let Err(failure) = (calls.client.read_export)(ran) {
        return match failure {
            ExportFailure::NoHistory if calls.client.no_history_is_certain => Ok(Exported::NoDatabase),
            ExportFailure::NoHistory | ExportFailure::Locked | ExportFailure::Other(_) => {
                Err(failure.to_string())
            }
        };
    }
    let got = next()?
        .ok()
        .map_err(|why| format!("the client wrote no file ({why})"))?;
    let document = match read_get(got, "the export")? {
        Got::Inline(document) => document,
        Got::Large { sha256 } => {
            return Ok(Exported::Large {
                file: calls.file.clone(),
                sha256,
            });
        }
    };
    let interchange = read(&document).map_err(|error| error.to_string())?;
    Ok(Exported::Document(Box::new(interchange), document))
}

/// The name of a work directory of its own below a run's.
pub(super) fn work_id(run: &str) -> String {
    let stamp = jiff::Timestamp::now().as_microsecond();
    format!("{run}.{stamp}-{}", WORKS.fetch_add(1, Ordering::Relaxed))
}

/// What [`Op::Get`] printed of a file.
pub(super) enum Got {
    /// Its content, whose hash was compared with the host's.
    Inline(Vec<u8>),
    /// It has to be fetched.
    Large { sha256: String },
}

/// Reads what [`Op::Get`] printed of `what`.
pub(super) fn read_get(text: &str, what: &str) -> Result<Got, String> {
    let mut lines = text.lines();
    let mut field = |name: &str| {
        lines
            .next()
            .and_then(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
            .ok_or_else(|| format!("{what} has no {name}"))
    };
    let bytes: u64 = field("bytes=")?
        .parse()
        .map_err(|_| format!("{what}: its size is no number"))?;
    let sha256 = field("sha256=")?;
    if bytes > INLINE_BYTES {
        return Ok(Got::Large { sha256 });
    }
    let text: String = lines.collect();
    let content = BASE64_STANDARD
        .decode(text.trim())
        .map_err(|error| format!("{what} arrived torn: {error}"))?;
    let found = const_hex::encode(Sha256::digest(&content));
    if found != sha256 || content.len() as u64 != bytes {
        return Err(format!(
            "{what} arrived with hash {found}, the host says {sha256}"
        ));
    }
    Ok(Got::Inline(content))
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
