//! Texts, numbers and words of JSON (RFC 8259), decoded out of the window.
//!
//! Must never pass what JSON forbids: control characters, half surrogates, bytes that are not UTF-8, numbers with a
//! leading zero. What one program reads from such a text, another does not.

use memchr::memchr2;

use super::lexer::{LONGEST, Lexed, Lexer};

/// A value that holds no others. Numbers are checked text: nothing is lost to a floating point type.
pub(super) enum Value<'t> {
    Null,
    Bool(bool),
    Number(&'t str),
    Text(&'t str),
}

impl Lexer<'_> {
    /// Takes a value that is neither object nor list; `expected` says what may stand here.
    pub(super) fn value(&mut self, expected: &str) -> Lexed<Value<'_>> {
        match self.need()? {
            b'"' => self.text().map(Value::Text),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            b'n' => self.word(b"null").map(|()| Value::Null),
            b't' => self.word(b"true").map(|()| Value::Bool(true)),
            b'f' => self.word(b"false").map(|()| Value::Bool(false)),
            b'{' | b'[' => Err(self.shape(format!("expected {expected}"))),
            _ => Err(self.not_json("expected value")),
        }
    }

    /// Takes a word, the beginning of which was seen.
    pub(super) fn word(&mut self, word: &[u8]) -> Lexed<()> {
        for expected in word {
            if self.byte()? != *expected {
                return Err(self.not_json("expected ident"));
            }
        }
        Ok(())
    }

    /// Takes a text, the opening quote of which was seen.
    #[inline]
    pub(super) fn text(&mut self) -> Lexed<&str> {
        self.take(1);
        let mut seen = 0;
        let length = loop {
            let held = self.held();
            let unseen = held.get(seen..).unwrap_or_default();
            match memchr2(b'"', b'\\', unseen) {
                Some(more) if unseen.get(more) == Some(&b'"') => break seen + more,
                Some(_) => return self.text_with_escapes(),
                None => seen = held.len(),
            }
            if seen > LONGEST {
                return Err(self.too_long());
            }
            if !self.more()? {
                return Err(self.end_within());
            }
        };
        let held = self.held().get(..length).unwrap_or_default();
        // A fold over all bytes, since that is done 16 at a time and a search is not.
        let (control, other) = held.iter().fold((false, false), |(control, other), byte| {
            (control | (*byte < 0x20), other | (*byte >= 0x80))
        });
        if control || length > LONGEST || (other && std::str::from_utf8(held).is_err()) {
            return Err(self.bad_text(control, length));
        }
        let taken = self.take(length + 1);
        let text = taken.get(..length).unwrap_or_default();
        Ok(std::str::from_utf8(text).unwrap_or_default())
    }

    #[cold]
    fn bad_text(&mut self, control: bool, length: usize) -> Box<super::ReadError> {
        match (control, length > LONGEST) {
            (_, true) => self.too_long(),
            (true, false) => self.not_json("control character found while parsing a string"),
            (false, false) => self.not_json("not UTF-8"),
        }
    }

    /// Takes all there is, so that the error shows where the file ends.
    #[cold]
    fn end_within(&mut self) -> Box<super::ReadError> {
        self.take(usize::MAX);
        self.cut_off()
    }

    /// The slow way, behind the opening quote.
    fn text_with_escapes(&mut self) -> Lexed<&str> {
        let mut text = std::mem::take(&mut self.unescaped);
        text.clear();
        let mut taken = 0;
        loop {
            taken += 1;
            match self.byte()? {
                b'"' => break,
                b'\\' => self.escape(&mut text)?,
                0..=0x1f => return Err(self.not_json("control character found while parsing a string")),
                byte => text.push(byte),
            }
            if taken > LONGEST {
                return Err(self.too_long());
            }
        }
        if std::str::from_utf8(&text).is_err() {
            return Err(self.not_json("not UTF-8"));
        }
        self.unescaped = text;
        Ok(std::str::from_utf8(&self.unescaped).unwrap_or_default())
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Lexed<()> {
        let byte = match self.byte()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let decoded = self.unicode()?;
                text.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.not_json("invalid escape")),
        };
        text.push(byte);
        Ok(())
    }

    /// The character behind `\u`: four digits, or two times four for one above U+FFFF.
    fn unicode(&mut self) -> Lexed<char> {
        let first = self.four_digits()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            if (self.byte()?, self.byte()?) != (b'\\', b'u') {
                return Err(self.not_json("lone surrogate"));
            }
            let second = self.four_digits()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.not_json("lone surrogate"));
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.not_json("lone surrogate"))
    }

    fn four_digits(&mut self) -> Lexed<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()?).to_digit(16);
            code = code * 16 + digit.ok_or_else(|| self.not_json("invalid escape"))?;
        }
        Ok(code)
    }

    /// Takes a number, the beginning of which was seen.
    fn number(&mut self) -> Lexed<&str> {
        let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let mut seen = 0;
        let length = loop {
            let held = self.held();
            let unseen = held.get(seen..).unwrap_or_default();
            match unseen.iter().position(|byte| !part(byte)) {
                Some(more) => break seen + more,
                None => seen = held.len(),
            }
            if seen > LONGEST {
                return Err(self.too_long());
            }
            if !self.more()? {
                break seen;
            }
        };
        if length > LONGEST {
            return Err(self.too_long());
        }
        if !is_number(self.held().get(..length).unwrap_or_default()) {
            return Err(self.not_json("invalid number"));
        }
        Ok(std::str::from_utf8(self.take(length)).unwrap_or_default())
    }
}

/// RFC 8259, section 6.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text.starts_with(b"0")) {
        return false;
    }
    let mut rest = text.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = fraction.get(count..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
        let signed = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-"));
        let exponent = signed.unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}
