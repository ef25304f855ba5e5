//! Small YAML files as Prysm and Teku write them: one flat mapping, ended by a line end. A file that was cut is told
//! from a whole one as far as that can be. Must never read an empty or a cut file as one that says "never".

use serde::de::DeserializeOwned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::{DatabaseError, Directory};
use crate::protection::LARGEST_NUMBER;

/// A file that says what one key signed has less than 300 bytes.
pub const LARGEST_RECORD: u64 = 4096;

/// How much of a parser's message is shown.
const LONGEST_MESSAGE: usize = 200;

/// A parsed file.
pub struct Document<T> {
    /// For messages.
    pub place: String,
    /// Its text.
    pub text: String,
    /// Its fields.
    pub fields: T,
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// It is empty, does not end with a line end (both writers always end with one: yaml.v3 as Prysm calls it and Jackson's
/// YAMLFactory as Teku calls it; tests/fixtures/databases/make-yaml), is no UTF-8 or no YAML, says a field twice, or has
/// fields that are not of `T`.
pub fn read<T: DeserializeOwned>(
    directory: &dyn Directory,
    name: &str,
    limit: u64,
) -> Result<Document<T>, DatabaseError> {
    let place = format!("{}/{}", directory.place(), name.escape_default());
    let bytes = directory.read(name, limit)?;
    let damaged = |what: &str| DatabaseError::damaged(&place, what);
    if bytes.is_empty() {
        return Err(damaged(
            "zero bytes: it was being written when the disk was full or the machine stopped",
        ));
    }
    if !bytes.ends_with(b"\n") {
        return Err(damaged(
            "does not end with a line end: it was written in part only",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| damaged("is not UTF-8"))?;
    let fields = parse(&text, limit).map_err(|what| damaged(&what))?;
    Ok(Document { place, text, fields })
}

/// Aliases, anchors and merge keys are refused: no client writes them, and bombs are made of them.
fn parse<T: DeserializeOwned>(text: &str, limit: u64) -> Result<T, String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let budget = serde_saphyr::budget! {
        max_aliases: 0,
        max_anchors: 0,
        max_depth: 16,
        max_documents: 1,
        max_events: limit,
        max_nodes: limit,
        max_merge_keys: 0,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let message: String = error.to_string().chars().take(LONGEST_MESSAGE).collect();
        format!("no YAML of this format: {}", message.escape_default())
    })
}

impl<T> Document<T> {
    /// A slot or an epoch in decimal digits, as both clients write it. Hex, signs, exponents, underscores and leading
    /// zeros are YAML, but not theirs.
    ///
    /// # Errors
    /// It is none, or above [`LARGEST_NUMBER`].
    pub fn number(&self, field: &str, text: &str) -> Result<u64, DatabaseError> {
        let digits =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(number) if digits && number <= LARGEST_NUMBER => Ok(number),
            Ok(_) | Err(_) => {
                let shown: String = text.chars().take(24).collect();
                let shown = shown.escape_default();
                Err(self.damaged(format!(
                    "`{field}` is no slot or epoch up to {LARGEST_NUMBER}: {shown}"
                )))
            }
        }
    }

    /// What does not fit in this file.
    pub fn damaged(&self, what: impl Into<String>) -> DatabaseError {
        DatabaseError::damaged(self.place.clone(), what)
    }
}
