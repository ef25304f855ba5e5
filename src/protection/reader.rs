//! The lenient reader: a stream of JSON into a sink, accepting what the clients are known to write, in memory that does
//! not grow with the file.
//!
//! Must never guess: a number, key or root that is not understood fails the whole document, with its place. Must never
//! stop before the end: a document that is cut off or of another version is refused, however good its beginning.

mod entry;
mod leaf;
mod lexer;
#[cfg(test)]
mod tests;
mod tokens;
mod walk;

use std::io::Read;

use entry::Entry;
use leaf::{Leaf, Text, shown};
use lexer::{Lexed, Lexer};
use tokens::Value;
use walk::{Fields, Items};

use super::interchange::Summary;
use super::read_error::ReadError;
use super::root::GenesisRoot;
use super::sink::Sink;

/// See [`super::interchange::read_from`].
pub(super) fn read_from<S: Sink>(source: &mut dyn Read, sink: &mut S) -> Result<Summary, ReadError> {
    let mut lexer = Lexer::new(source);
    let document = Document::read(&mut lexer, sink).map_err(|error| *error)?;
    let metadata = document.metadata.ok_or(ReadError::NoMetadata)?;
    check_version(&metadata)?;
    let genesis_validators_root = match metadata.genesis_validators_root {
        Leaf::Absent => None,
        Leaf::Is(root) => Some(root),
        Leaf::Bad(found) => return Err(ReadError::GenesisRoot { found: found.into() }),
    };
    let data = document.data.ok_or(ReadError::NoData)?;
    match data.bad {
        Some(error) => Err(error),
        None => Ok(Summary {
            genesis_validators_root,
            ..data.read
        }),
    }
}

fn check_version(metadata: &Metadata) -> Result<(), ReadError> {
    let complete = matches!(&metadata.format, Leaf::Is(Text(format)) if format == "complete");
    let found = match &metadata.version {
        Leaf::Is(Text(version)) if version == "5" || (version == "4" && complete) => return Ok(()),
        Leaf::Is(Text(version)) => shown(version),
        Leaf::Absent => "missing".to_owned(),
        Leaf::Bad(found) => found.to_string(),
    };
    Err(ReadError::Version { found })
}

#[derive(Default)]
struct Document {
    metadata: Option<Metadata>,
    data: Option<Data>,
}

#[derive(Default)]
struct Metadata {
    format: Leaf<Text>,
    version: Leaf<Text>,
    genesis_validators_root: Leaf<GenesisRoot>,
}

/// What was read of `data`. The first bad record is kept; reading goes on, since the version counts first.
#[derive(Default)]
struct Data {
    read: Summary,
    bad: Option<ReadError>,
}

#[derive(Clone, Copy)]
enum Field {
    Metadata,
    Data,
}

const FIELDS: [(&str, Field); 2] = [("metadata", Field::Metadata), ("data", Field::Data)];

impl Document {
    fn read<S: Sink>(lexer: &mut Lexer<'_>, sink: &mut S) -> Lexed<Self> {
        match lexer.peek()? {
            None => return Err(Box::new(ReadError::Empty)),
            Some(b'n' | b'"') => refuse_null(lexer)?,
            Some(_) => {}
        }
        let mut document = Self::default();
        let mut fields = Fields::open(lexer)?;
        while let Some(field) = fields.next(lexer, &FIELDS)? {
            // Null is as good as missing, and just as bad.
            if lexer.null()? {
                continue;
            }
            match field {
                Field::Metadata => document.metadata = Some(Metadata::read(lexer)?),
                Field::Data => document.data = Some(Data::read(lexer, sink)?),
            }
        }
        match lexer.peek()? {
            None => Ok(document),
            Some(_) => Err(lexer.not_json("trailing characters")),
        }
    }
}

/// A document that is null or a text is no document: JSON null and the text "null" have a story of their own.
fn refuse_null(lexer: &mut Lexer<'_>) -> Lexed<()> {
    let null = matches!(lexer.value("an object")?, Value::Null | Value::Text("null"));
    if null && lexer.peek()?.is_none() {
        return Err(Box::new(ReadError::Null));
    }
    Err(lexer.shape("expected an object"))
}

#[derive(Clone, Copy)]
enum MetadataField {
    Format,
    Version,
    Root,
}

const METADATA_FIELDS: [(&str, MetadataField); 3] = [
    ("interchange_format", MetadataField::Format),
    ("interchange_format_version", MetadataField::Version),
    ("genesis_validators_root", MetadataField::Root),
];

impl Metadata {
    fn read(lexer: &mut Lexer<'_>) -> Lexed<Self> {
        let mut metadata = Self::default();
        let mut fields = Fields::open(lexer)?;
        while let Some(field) = fields.next(lexer, &METADATA_FIELDS)? {
            match field {
                MetadataField::Format => metadata.format = Leaf::read(lexer)?,
                MetadataField::Version => metadata.version = Leaf::read(lexer)?,
                MetadataField::Root => metadata.genesis_validators_root = Leaf::read(lexer)?,
            }
        }
        Ok(metadata)
    }
}

impl Data {
    fn read<S: Sink>(lexer: &mut Lexer<'_>, sink: &mut S) -> Lexed<Self> {
        let mut data = Self::default();
        let mut items = Items::open(lexer)?;
        let mut index = 0;
        while items.next(lexer)? {
            let entry = Entry::read::<S>(lexer)?;
            data.read.blocks += entry.blocks;
            data.read.attestations += entry.attestations;
            if data.bad.is_none() {
                data.bad = entry.hand_over(index, sink).err();
            }
            index += 1;
        }
        Ok(data)
    }
}
