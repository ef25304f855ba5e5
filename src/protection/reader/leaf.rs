//! The values of the document: objects that must be objects, and strings or numbers that may be
//! missing, understood or bad.
//!
//! Must never turn a bad value into a missing one.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::protection::pubkey::PublicKey;
use crate::protection::root::{GenesisRoot, Root};

/// A JSON object read as `T`. Plain derived readers would also take a list, by position.
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Map<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Map(PhantomData))
    }
}

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

impl<'de, T: Scalar> Deserialize<'de> for Leaf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeafVisitor(PhantomData))
    }
}

struct LeafVisitor<T>(PhantomData<T>);

impl<T: Scalar> Visitor<'_> for LeafVisitor<T> {
    type Value = Leaf<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Leaf<T>, E> {
        Ok(Leaf::Absent)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Leaf<T>, E> {
        Ok(match T::from_text(text) {
            Some(Some(value)) => Leaf::Is(value),
            Some(None) => Leaf::Absent,
            None => Leaf::Bad(shown(text).into()),
        })
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Leaf<T>, E> {
        Ok(T::from_number(number).map_or_else(|| Leaf::Bad(number.to_string().into()), Leaf::Is))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Leaf<T>, E> {
        Ok(Leaf::Bad(number.to_string().into()))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Leaf<T>, E> {
        Ok(Leaf::Bad(number.to_string().into()))
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Leaf<T>, E> {
        Ok(Leaf::Bad(value.to_string().into()))
    }
}

/// Text of the file for an error: quoted, escaped, at most 80 characters.
pub(super) fn shown(text: &str) -> String {
    let head: String = text.chars().take(80).collect();
    let rest = if head.len() < text.len() { "…" } else { "" };
    format!("{head:?}{rest}")
}
