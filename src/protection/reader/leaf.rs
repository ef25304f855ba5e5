//! Single values: strings or numbers that may be missing, understood or bad.
//!
//! Must never turn a bad value into a missing one.

use super::lexer::{Lexed, Lexer};
use super::tokens::Value;
use crate::protection::pubkey::PublicKey;
use crate::protection::root::{GenesisRoot, Root};

/// A string or number of the file: not there (or null), understood, or not (escaped, for the error).
#[derive(Default)]
pub(super) enum Leaf<T> {
    #[default]
    Absent,
    Is(T),
    Bad(Box<str>),
}

/// Text, or a number as text.
pub(super) struct Text(pub String);

/// What a leaf can be read from. `None` is bad, `Some(None)` is there but says nothing.
pub(super) trait Scalar: Sized {
    fn from_text(text: &str) -> Option<Option<Self>>;
    fn from_number(_: u64) -> Option<Self> {
        None
    }
}

impl Scalar for u64 {
    fn from_text(text: &str) -> Option<Option<Self>> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().map(Some)
    }
    fn from_number(number: u64) -> Option<Self> {
        Some(number)
    }
}

impl Scalar for Text {
    fn from_text(text: &str) -> Option<Option<Self>> {
        Some(Some(Self(text.to_owned())))
    }
    fn from_number(number: u64) -> Option<Self> {
        Some(Self(number.to_string()))
    }
}

impl Scalar for PublicKey {
    fn from_text(text: &str) -> Option<Option<Self>> {
        Self::parse(text).ok().map(Some)
    }
}

impl Scalar for Root {
    fn from_text(text: &str) -> Option<Option<Self>> {
        Self::parse(text).ok()
    }
}

impl Scalar for GenesisRoot {
    fn from_text(text: &str) -> Option<Option<Self>> {
        if text.is_empty() {
            Some(None)
        } else {
            Self::parse(text).ok().map(Some)
        }
    }
}

impl<T: Scalar> Leaf<T> {
    /// Takes the value that stands here.
    #[inline]
    pub(super) fn read(lexer: &mut Lexer<'_>) -> Lexed<Self> {
        Ok(match lexer.value("a string or a number")? {
            Value::Text(text) => match T::from_text(text) {
                Some(Some(value)) => Self::Is(value),
                Some(None) => Self::Absent,
                None => Self::Bad(shown(text).into()),
            },
            // A number with a sign, a fraction or an exponent is no whole one, even where its value is.
            Value::Number(text) => match text.parse().ok().and_then(T::from_number) {
                Some(value) => Self::Is(value),
                None => Self::Bad(text.chars().take(80).collect::<String>().into()),
            },
            Value::Bool(value) => Self::Bad(value.to_string().into()),
            Value::Null => Self::Absent,
        })
    }
}

/// Text of the file for an error: quoted, escaped, at most 80 characters.
pub(super) fn shown(text: &str) -> String {
    let head: String = text.chars().take(80).collect();
    let rest = if head.len() < text.len() { "…" } else { "" };
    format!("{head:?}{rest}")
}
