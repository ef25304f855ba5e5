//! Objects and lists of JSON, walked field by field and item by item, and the passing over of what is not known.
//!
//! Must never pass over a known field that stands twice: two programs would read two different values. Depth is bounded.

use super::lexer::{Lexed, Lexer};

/// How deep unknown values may be nested.
const DEEPEST: usize = 128;

/// A walk through an object.
pub(super) struct Fields {
    begun: bool,
    /// One bit per known field.
    seen: u32,
}

/// A walk through a list.
pub(super) struct Items {
    begun: bool,
}

impl Fields {
    /// Takes the opening brace.
    pub(super) fn open(lexer: &mut Lexer<'_>) -> Lexed<Self> {
        opening(lexer, b'{', "an object")?;
        let (begun, seen) = (false, 0);
        Ok(Self { begun, seen })
    }

    /// The next field that is `known`, at its value; unknown ones are passed over. `None` behind the closing brace.
    /// There may be 32 known ones.
    #[inline]
    pub(super) fn next<F: Copy>(&mut self, lexer: &mut Lexer<'_>, known: &[(&str, F)]) -> Lexed<Option<F>> {
        while step(lexer, &mut self.begun, b'}')? {
            if lexer.need()? != b'"' {
                return Err(lexer.not_json("key must be a string"));
            }
            let name = lexer.text()?;
            let found = known
                .iter()
                .zip(0_u32..)
                .find(|((known, _), _)| *known == name)
                .map(|((name, field), index)| (*name, *field, 1_u32.checked_shl(index).unwrap_or(0)));
            colon(lexer)?;
            let Some((name, field, bit)) = found else {
                lexer.pass_over()?;
                continue;
            };
            if self.seen & bit != 0 {
                return Err(lexer.shape(format!("duplicate field `{name}`")));
            }
            self.seen |= bit;
            return Ok(Some(field));
        }
        Ok(None)
    }
}

impl Items {
    /// Takes the opening bracket.
    pub(super) fn open(lexer: &mut Lexer<'_>) -> Lexed<Self> {
        opening(lexer, b'[', "a list")?;
        Ok(Self { begun: false })
    }

    /// True when there is another item, at its value; false behind the closing bracket.
    #[inline]
    pub(super) fn next(&mut self, lexer: &mut Lexer<'_>) -> Lexed<bool> {
        step(lexer, &mut self.begun, b']')
    }
}

fn opening(lexer: &mut Lexer<'_>, bracket: u8, expected: &str) -> Lexed<()> {
    if lexer.need()? == bracket {
        lexer.take(1);
        return Ok(());
    }
    // What is no JSON either is said to be that.
    lexer.value(expected)?;
    Err(lexer.shape(format!("expected {expected}")))
}

/// Takes the comma before the next element, or the closing bracket. Behind a comma, a bracket is no element: who reads
/// the element says so.
#[inline]
fn step(lexer: &mut Lexer<'_>, begun: &mut bool, closing: u8) -> Lexed<bool> {
    let next = lexer.need()?;
    if next == closing {
        lexer.take(1);
        return Ok(false);
    }
    if std::mem::replace(begun, true) {
        if next != b',' {
            return Err(lexer.not_json(format!("expected `,` or `{}`", char::from(closing))));
        }
        lexer.take(1);
    }
    Ok(true)
}

#[inline]
fn colon(lexer: &mut Lexer<'_>) -> Lexed<()> {
    if lexer.need()? != b':' {
        return Err(lexer.not_json("expected `:`"));
    }
    lexer.take(1);
    Ok(())
}

impl Lexer<'_> {
    /// Takes null, when that stands here.
    pub(super) fn null(&mut self) -> Lexed<bool> {
        if self.need()? != b'n' {
            return Ok(false);
        }
        self.word(b"null")?;
        Ok(true)
    }

    /// Takes any value and forgets it. Bounded in depth and without recursion.
    pub(super) fn pass_over(&mut self) -> Lexed<()> {
        let mut open: Vec<(u8, bool)> = Vec::new();
        loop {
            let closing = match self.need()? {
                b'{' => Some(b'}'),
                b'[' => Some(b']'),
                _ => None,
            };
            match closing {
                Some(closing) => {
                    self.take(1);
                    open.push((closing, false));
                }
                None => {
                    self.value("a value")?;
                }
            }
            if open.len() > DEEPEST {
                return Err(self.not_json("nested too deep"));
            }
            if !self.next_within(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Closes what ends here. True when there is another value, false when all is closed.
    fn next_within(&mut self, open: &mut Vec<(u8, bool)>) -> Lexed<bool> {
        while let Some((closing, begun)) = open.last_mut() {
            if !step(self, begun, *closing)? {
                open.pop();
                continue;
            }
            if *closing == b'}' {
                if self.need()? != b'"' {
                    return Err(self.not_json("key must be a string"));
                }
                self.text()?;
                colon(self)?;
            }
            return Ok(true);
        }
        Ok(false)
    }
}
