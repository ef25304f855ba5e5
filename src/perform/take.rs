//! What a host answered, kept as evidence and read: a packed database is unpacked and decoded here, a document is parsed.
//! Must never read bytes whose hash was not compared with the host's, and never leave an unpacked copy behind.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::{Happened, World};
use crate::databases::{self, DatabaseError, Format, archive};
use crate::guards::Role;
use crate::observe::{Answer, Exported, Pack, client};
use crate::protection::{Interchange, read};
use crate::protocol::Event;
use crate::transport::ErrorKind;

/// One host's protection, here.
pub(super) struct Taken {
    /// Everything that was signed; none where there is no database.
    pub(super) document: Option<Interchange>,
    /// Whether the database's own files were read.
    pub(super) direct: bool,
    /// Whether its format keeps no chain.
    pub(super) chain_not_kept: bool,
    /// What a person should know of the database.
    pub(super) notes: Vec<String>,
    /// The file in the run's directory that was read, and its hash.
    pub(super) evidence: Option<(String, String)>,
}

/// Why a host's protection is not here.
pub(super) enum Untaken {
    /// This way is closed; another may be open.
    Unable(String),
    /// Something is wrong with the database or with what arrived.
    Failed(String),
    /// The line, or this machine's disk.
    Lost(Happened),
}

impl Untaken {
    /// As the collecting learns it.
    pub(super) fn into_happened(self, host: &str) -> Happened {
        match self {
            Untaken::Unable(why) | Untaken::Failed(why) => {
                Happened::new(Event::CollectFailed, format!("{host}: {why}"))
            }
            Untaken::Lost(happened) => happened,
        }
    }
}

/// What a host answered, kept as evidence below the run's directory and read. What is large is fetched on a channel of
/// its own.
pub(super) async fn take(world: &World, role: Role, name: &str, answer: Answer) -> Result<Taken, Untaken> {
    let document = |document, evidence| Taken {
        document,
        direct: false,
        chain_not_kept: false,
        notes: Vec::new(),
        evidence,
    };
    let export = if name == "read-back" {
        "read-back.json".to_owned()
    } else {
        format!("{name}-export.json")
    };
    let (format, stored) = match answer {
        Answer::Export(Exported::NoDatabase) => return Ok(document(None, None)),
        Answer::Export(Exported::Document(interchange, bytes)) => {
            let stored = world.dir.write(&export, &bytes).map_err(unkept)?;
            return Ok(document(Some(*interchange), Some((export, stored.sha256))));
        }
        Answer::Export(Exported::Large { file, sha256 }) => {
            let (_, sha256) = fetched(world, role, &file, &sha256, &export).await?;
            let bytes = world.dir.read(&export, &sha256).map_err(unkept)?;
            let interchange = read(&bytes).map_err(|error| Untaken::Failed(error.to_string()))?;
            return Ok(document(Some(interchange), Some((export, sha256))));
        }
        Answer::Pack(_, Pack::Absent) => {
            return Ok(Taken {
                direct: true,
                ..document(None, None)
            });
        }
        Answer::Pack(format, Pack::Inline(bytes)) => {
            let stored = world
                .dir
                .write(&format!("{name}.tar.gz"), &bytes)
                .map_err(unkept)?;
            (format, (stored.path, stored.sha256))
        }
        Answer::Pack(format, Pack::Large { file, sha256 }) => {
            let stored = fetched(world, role, &file, &sha256, &format!("{name}.tar.gz")).await?;
            (format, stored)
        }
    };
    let names_its_chain = world
        .hosts
        .host(role)
        .installed()
        .and_then(client)
        .map_err(Untaken::Failed)?
        .names_its_chain;
    let evidence = Some((format!("{name}.tar.gz"), stored.1.clone()));
    let within = world.dir.path().to_owned();
    // Reading takes as long as the database is large: not on a thread that carries the lines to the hosts.
    let read = tokio::task::spawn_blocking(move || decoded(format, &stored, within)).await;
    let (interchange, notes) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => return Err(unread(&error)),
        Err(ended) => return Err(Untaken::Failed(format!("reading it ended: {ended}"))),
    };
    Ok(Taken {
        chain_not_kept: !names_its_chain && interchange.genesis_validators_root.is_none(),
        document: Some(interchange),
        direct: true,
        notes,
        evidence,
    })
}

/// A file of the run's directory, and its hash as it was compared with the host's.
type Kept = (PathBuf, String);

/// Unpacks below the run's own directory and reads every message.
fn decoded(
    format: Format,
    (path, sha256): &Kept,
    within: PathBuf,
) -> Result<(Interchange, Vec<String>), DatabaseError> {
    let place = path.display().to_string();
    let failed = |error: std::io::Error| DatabaseError::io(&place, &error);
    let private = tempfile::Builder::new()
        .prefix(".unpacked-")
        .tempdir_in(within)
        .map_err(failed)?;
    let file = std::fs::File::open(path).map_err(failed)?;
    let unpacked = archive::unpack(file, private.path(), &archive::Limits::default())?;
    if unpacked.sha256 != *sha256 {
        return Err(DatabaseError::damaged(
            &place,
            "it changed here after its hash was compared",
        ));
    }
    let mut interchange = Interchange::default();
    let found = databases::read_as(format, private.path(), &mut interchange)?;
    interchange.genesis_validators_root = found.genesis_validators_root;
    Ok((interchange, found.notes))
}

/// A database of a kind that is not known here may be left to its client. One that contradicts itself may not: a client
/// passes over what it cannot read, and what it passes over may be the newest of what was signed.
fn unread(error: &DatabaseError) -> Untaken {
    let why = error.to_string();
    match error {
        DatabaseError::Unsupported { .. } | DatabaseError::Io { .. } => Untaken::Unable(why),
        DatabaseError::Damaged { .. }
        | DatabaseError::Locked { .. }
        | DatabaseError::NotRecognised { .. }
        | DatabaseError::Interchange { .. } => Untaken::Failed(why),
    }
}

fn unkept(error: impl ToString) -> Untaken {
    Untaken::Failed(error.to_string())
}

/// A large file of a host, under a name of its own in the run's directory.
async fn fetched(world: &World, role: Role, file: &str, sha256: &str, name: &str) -> Result<Kept, Untaken> {
    let incoming = world.dir.receive(name).map_err(unkept)?;
    let mut into = tokio::fs::File::from_std(incoming.writer().map_err(unkept)?);
    let limit = Duration::from_secs(world.plan.timeouts.client_s);
    let link = &world.hosts.host(role).link;
    let fetched = link.fetch(file, &mut into, limit).await.map_err(|error| {
        // Fetching changes nothing, so what is too slow can be given up at once, and the primary given back.
        if error.kind == ErrorKind::TimedOut {
            Untaken::Failed(format!("{error}; if it is only slow, raise timeouts.client_s"))
        } else {
            Untaken::Lost(error.into())
        }
    })?;
    into.flush()
        .await
        .map_err(|error| Untaken::Failed(error.to_string()))?;
    if fetched.sha256 != sha256 {
        return Err(Untaken::Failed(format!("{file} changed between two readings")));
    }
    let stored = incoming.keep(sha256).map_err(unkept)?;
    Ok((stored.path, stored.sha256))
}
