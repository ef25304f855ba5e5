//! One entry of `data`: a key and its messages, in any order, straight into a sink.
//!
//! Must never let a bad message pass because the key came later, and never keep the messages itself.

use super::leaf::Leaf;
use super::lexer::{Lexed, Lexer};
use super::walk::{Fields, Items};
use crate::protection::interchange::{LARGEST_NUMBER, SignedAttestation, SignedBlock};
use crate::protection::pubkey::PublicKey;
use crate::protection::read_error::{Place, ReadError};
use crate::protection::root::Root;
use crate::protection::sink::Sink;

/// An entry as it was read. The first bad message is kept until the key is known.
pub(super) struct Entry<M> {
    key: Leaf<PublicKey>,
    messages: M,
    bad: Option<BadMessage>,
    /// Messages read.
    pub blocks: u64,
    pub attestations: u64,
}

struct BadMessage {
    list: &'static str,
    index: usize,
    bad: BadField,
}

/// What is wrong with a field of a message.
struct BadField {
    field: &'static str,
    found: Fault,
}

enum Fault {
    Number(String),
    TooLarge(u64),
    Root(String),
}

#[derive(Clone, Copy)]
enum Field {
    Key,
    Blocks,
    Attestations,
}

const FIELDS: [(&str, Field); 3] = [
    ("pubkey", Field::Key),
    ("signed_blocks", Field::Blocks),
    ("signed_attestations", Field::Attestations),
];

impl<M: Default> Entry<M> {
    /// Takes an entry.
    pub(super) fn read<S: Sink<Messages = M>>(lexer: &mut Lexer<'_>) -> Lexed<Self> {
        let mut entry = Self {
            key: Leaf::Absent,
            messages: M::default(),
            bad: None,
            blocks: 0,
            attestations: 0,
        };
        let mut fields = Fields::open(lexer)?;
        while let Some(field) = fields.next(lexer, &FIELDS)? {
            match field {
                Field::Key => entry.key = Leaf::read(lexer)?,
                Field::Blocks => {
                    let put = |entry: &mut Self, block| {
                        S::block(&mut entry.messages, block);
                        entry.blocks += 1;
                    };
                    entry.list(lexer, "signed_blocks", block, put)?;
                }
                Field::Attestations => {
                    let put = |entry: &mut Self, vote| {
                        S::attestation(&mut entry.messages, vote);
                        entry.attestations += 1;
                    };
                    entry.list(lexer, "signed_attestations", attestation, put)?;
                }
            }
        }
        Ok(entry)
    }

    fn list<T>(
        &mut self,
        lexer: &mut Lexer<'_>,
        list: &'static str,
        read: impl Fn(&mut Lexer<'_>) -> Lexed<Result<T, BadField>>,
        put: impl Fn(&mut Self, T),
    ) -> Lexed<()> {
        if lexer.null()? {
            return Ok(());
        }
        let mut items = Items::open(lexer)?;
        let mut index = 0;
        while items.next(lexer)? {
            match read(lexer)? {
                Ok(message) => put(self, message),
                Err(bad) => {
                    self.bad.get_or_insert(BadMessage { list, index, bad });
                }
            }
            index += 1;
        }
        Ok(())
    }

    /// Hands the messages over; `entry` is the index in `data`.
    pub(super) fn hand_over<S: Sink<Messages = M>>(
        self,
        entry: usize,
        sink: &mut S,
    ) -> Result<(), ReadError> {
        let key = match self.key {
            Leaf::Is(key) => key,
            Leaf::Absent => {
                let found = "missing".to_owned();
                return Err(ReadError::Key { entry, found });
            }
            Leaf::Bad(found) => {
                let found = found.into();
                return Err(ReadError::Key { entry, found });
            }
        };
        let Some(BadMessage { list, index, bad }) = self.bad else {
            sink.key(key, self.messages);
            return Ok(());
        };
        let place = Place {
            entry,
            key,
            list,
            index,
            field: bad.field,
        };
        Err(match bad.found {
            Fault::Number(found) => ReadError::Number { place, found },
            Fault::TooLarge(value) => ReadError::TooLarge { place, value },
            Fault::Root(found) => ReadError::Root { place, found },
        })
    }
}

#[derive(Clone, Copy)]
enum BlockField {
    Slot,
    Root,
}

const BLOCK_FIELDS: [(&str, BlockField); 2] =
    [("slot", BlockField::Slot), ("signing_root", BlockField::Root)];

fn block(lexer: &mut Lexer<'_>) -> Lexed<Result<SignedBlock, BadField>> {
    let (mut slot, mut signing_root) = (Leaf::Absent, Leaf::Absent);
    let mut fields = Fields::open(lexer)?;
    while let Some(field) = fields.next(lexer, &BLOCK_FIELDS)? {
        match field {
            BlockField::Slot => slot = Leaf::read(lexer)?,
            BlockField::Root => signing_root = Leaf::read(lexer)?,
        }
    }
    let message = || {
        Ok(SignedBlock {
            slot: number("slot", slot)?,
            signing_root: root(signing_root)?,
        })
    };
    Ok(message())
}

#[derive(Clone, Copy)]
enum VoteField {
    Source,
    Target,
    Root,
}

const VOTE_FIELDS: [(&str, VoteField); 3] = [
    ("source_epoch", VoteField::Source),
    ("target_epoch", VoteField::Target),
    ("signing_root", VoteField::Root),
];

fn attestation(lexer: &mut Lexer<'_>) -> Lexed<Result<SignedAttestation, BadField>> {
    let (mut source, mut target, mut signing_root) = (Leaf::Absent, Leaf::Absent, Leaf::Absent);
    let mut fields = Fields::open(lexer)?;
    while let Some(field) = fields.next(lexer, &VOTE_FIELDS)? {
        match field {
            VoteField::Source => source = Leaf::read(lexer)?,
            VoteField::Target => target = Leaf::read(lexer)?,
            VoteField::Root => signing_root = Leaf::read(lexer)?,
        }
    }
    let message = || {
        Ok(SignedAttestation {
            source_epoch: number("source_epoch", source)?,
            target_epoch: number("target_epoch", target)?,
            signing_root: root(signing_root)?,
        })
    };
    Ok(message())
}

fn number(field: &'static str, leaf: Leaf<u64>) -> Result<u64, BadField> {
    let found = match leaf {
        Leaf::Is(value) if value <= LARGEST_NUMBER => return Ok(value),
        Leaf::Is(value) => Fault::TooLarge(value),
        Leaf::Absent => Fault::Number("missing".to_owned()),
        Leaf::Bad(found) => Fault::Number(found.into()),
    };
    Err(BadField { field, found })
}

fn root(leaf: Leaf<Root>) -> Result<Option<Root>, BadField> {
    match leaf {
        Leaf::Is(root) => Ok(Some(root)),
        Leaf::Absent => Ok(None),
        Leaf::Bad(found) => Err(BadField {
            field: "signing_root",
            found: Fault::Root(found.into()),
        }),
    }
}
