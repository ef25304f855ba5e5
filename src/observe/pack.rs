//! A host's protection by its database's own files, packed there and read here; or, where that cannot be, by its client's
//! export. One question and one answer for both ways. Must never take a pack that is not whole, and never turn what is
//! wrong with a database into a reason to ask for it in another way.

use super::install::client;
use super::protection::{ExportCalls, Exported, Got, INLINE_BYTES, read_export, read_get, work_id};
use crate::clients::{Client, Install};
use crate::databases::Format;
use crate::transport::{Call, Op, Output};

/// How a host is asked for its history.
#[derive(Debug, Clone)]
pub enum Question {
    /// For this client's database's files, of this format.
    Pack(&'static Client, Format, [Call; 1]),
    /// For its client's export.
    Export(ExportCalls),
}

/// What a host answered. Nothing large is in it: that is fetched.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The files of a database of this format, packed.
    Pack(Format, Pack),
    /// The client's document.
    Export(Exported),
}

/// A database's files as they came.
#[derive(Debug, Clone, PartialEq)]
pub enum Pack {
    /// There is no database on the host.
    Absent,
    /// A tar.gz, whose hash was compared with the host's.
    Inline(Vec<u8>),
    /// It is too large to travel inside the frame: fetch this file, of this hash.
    Large {
        /// Path on the host.
        file: String,
        /// What the host says of it.
        sha256: String,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The way is closed, and says nothing of the database: a tool is missing, or it lies behind a link. Its client may
    /// be asked instead.
    Unable(String),
    /// Something is wrong with the database or the answer.
    Failed(String),
}

/// The question for the files of an installation's database, in a work directory of its own below `run`; none when only
/// its client can read it.
///
/// # Errors
/// The client is not known.
pub fn pack_question(install: &Install, run: &str) -> Result<Option<Question>, String> {
    let client = client(install)?;
    Ok(client.direct.map(|direct| {
        let files = (direct.files)(install);
        let mut args = vec![
            work_id(run),
            install.database.clone(),
            INLINE_BYTES.to_string(),
            files.directory,
        ];
        args.extend(files.patterns);
        Question::Pack(client, direct.format, [Call::new(Op::Pack, args)])
    }))
}

impl Unanswered {
    /// In words.
    pub fn text(self) -> String {
        match self {
            Unanswered::Unable(why) | Unanswered::Failed(why) => why,
        }
    }
}

impl Question {
    /// To be sent; the outputs are read by [`Question::read`] in this order.
    pub fn calls(&self) -> &[Call] {
        match self {
            Question::Pack(_, _, calls) => calls,
            Question::Export(export) => &export.calls,
        }
    }

    /// Whether the database's own files are asked for.
    pub fn is_direct(&self) -> bool {
        match self {
            Question::Pack(..) => true,
            Question::Export(_) => false,
        }
    }

    /// Reads the outputs of [`Question::calls`].
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub fn read(&self, outputs: &[Output]) -> Result<Answer, Unanswered> {
        match self {
            Question::Pack(client, format, _) => {
                let pack = read_pack(outputs.first())?;
                if pack == Pack::Absent {
                    client.may_begin_without().map_err(Unanswered::Failed)?;
                }
                Ok(Answer::Pack(*format, pack))
            }
            Question::Export(export) => read_export(export, outputs)
                .map(Answer::Export)
                .map_err(Unanswered::Failed),
        }
    }
}

fn read_pack(output: Option<&Output>) -> Result<Pack, Unanswered> {
    let output = output.ok_or_else(|| Unanswered::Failed("the answer ends too early".to_owned()))?;
    let text = output.ok().map_err(|why| {
        let why = format!("packing the database: {why}");
        match output.status {
            // 4: it does not rest, or cannot be read; 5: it cannot be looked at; 124, 125: it was not asked.
            4 | 5 | 124 | 125 => Unanswered::Failed(why),
            _ => Unanswered::Unable(why),
        }
    })?;
    if text.trim() == "pack=absent" {
        return Ok(Pack::Absent);
    }
    let named = text
        .split_once('\n')
        .and_then(|(first, rest)| Some((first.strip_prefix("pack=")?, rest)));
    let (file, rest) = named.ok_or_else(|| Unanswered::Failed("the pack has no name".to_owned()))?;
    match read_get(rest, "the packed database").map_err(Unanswered::Failed)? {
        Got::Inline(bytes) => Ok(Pack::Inline(bytes)),
        Got::Large { sha256 } => Ok(Pack::Large {
            file: file.to_owned(),
            sha256,
        }),
    }
}
