//! The window that slides over a stream of JSON: bytes, where they stand, and what is said when they are wrong.
//!
//! Must never hold more than the window, whatever the file's size, and never take the end of the bytes for the end of
//! the document: who needs a byte that is not there gets "cut off".

use std::io::{ErrorKind, Read};

use memchr::{memchr_iter, memrchr};

use crate::protection::read_error::ReadError;

/// Bytes held at once. A text or number is looked at whole, so it is larger than [`LONGEST`].
const WINDOW: usize = 256 << 10;

/// The longest text or number, in bytes as it stands in the file. The longest real one is the key of an ML-DSA-87
/// validator, 5,186 bytes.
pub(super) const LONGEST: usize = 64 << 10;

/// Boxed, so that the results of the small functions below fit into registers.
pub(super) type Lexed<T> = Result<T, Box<ReadError>>;

/// Hands out the bytes of a stream one after the other.
pub(super) struct Lexer<'r> {
    source: &'r mut dyn Read,
    window: Box<[u8]>,
    /// The next byte, and the end of what was read, in the window.
    at: usize,
    filled: usize,
    /// What slid out of the window: whole lines, and bytes of the line after them.
    lines: usize,
    column: usize,
    /// The last text with escapes, without them.
    pub(super) unescaped: Vec<u8>,
}

impl<'r> Lexer<'r> {
    /// At the beginning of a stream.
    pub(super) fn new(source: &'r mut dyn Read) -> Self {
        Self {
            source,
            window: vec![0; WINDOW].into_boxed_slice(),
            at: 0,
            filled: 0,
            lines: 0,
            column: 0,
            unescaped: Vec::new(),
        }
    }

    /// What has been read and not been taken.
    #[inline]
    pub(super) fn held(&self) -> &[u8] {
        self.window.get(self.at..self.filled).unwrap_or_default()
    }

    /// Takes `count` bytes of those held and returns them.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let from = self.at;
        self.at = self.filled.min(from.saturating_add(count));
        self.window.get(from..self.at).unwrap_or_default()
    }

    /// Reads on, false at the end of the stream. What is held stays held, at the same offsets in [`Self::held`].
    pub(super) fn more(&mut self) -> Lexed<bool> {
        if self.filled == self.window.len() {
            self.slide();
        }
        let free = self.window.get_mut(self.filled..).unwrap_or_default();
        if free.is_empty() {
            return Err(self.too_long());
        }
        loop {
            match self.source.read(free) {
                Ok(count) => {
                    self.filled += count.min(free.len());
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Box::new(ReadError::Io {
                        error: error.to_string(),
                    }));
                }
            }
        }
    }

    fn slide(&mut self) {
        let (lines, column) = self.position();
        (self.lines, self.column) = (lines - 1, column);
        self.window.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.at = 0;
    }

    /// The next byte that is no white space, not taken; `None` at the end of the stream.
    #[inline]
    pub(super) fn peek(&mut self) -> Lexed<Option<u8>> {
        loop {
            let held = self.held();
            let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
            if let Some(blanks) = held.iter().position(|byte| !blank(byte)) {
                let found = held.get(blanks).copied();
                self.at += blanks;
                return Ok(found);
            }
            self.at = self.filled;
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// As [`Self::peek`], within a document that cannot end here.
    #[inline]
    pub(super) fn need(&mut self) -> Lexed<u8> {
        match self.peek()? {
            Some(byte) => Ok(byte),
            None => Err(self.cut_off()),
        }
    }

    /// The very next byte, taken.
    pub(super) fn byte(&mut self) -> Lexed<u8> {
        if self.at == self.filled && !self.more()? {
            return Err(self.cut_off());
        }
        Ok(self.take(1).first().copied().unwrap_or_default())
    }

    /// The line, from 1, and how many bytes of it were taken.
    fn position(&self) -> (usize, usize) {
        let taken = self.window.get(..self.at).unwrap_or_default();
        let lines = self.lines + memchr_iter(b'\n', taken).count();
        let column = match memrchr(b'\n', taken) {
            Some(end) => taken.len() - end - 1,
            None => self.column + taken.len(),
        };
        (lines + 1, column)
    }

    /// The bytes here are not JSON.
    #[cold]
    pub(super) fn not_json(&self, detail: impl Into<String>) -> Box<ReadError> {
        let ((line, column), detail) = (self.position(), detail.into());
        Box::new(ReadError::NotJson { line, column, detail })
    }

    /// What stands here is JSON, but not what an interchange has here.
    #[cold]
    pub(super) fn shape(&self, detail: impl Into<String>) -> Box<ReadError> {
        let ((line, column), detail) = (self.position(), detail.into());
        Box::new(ReadError::Shape { line, column, detail })
    }

    /// The document ends in the middle.
    #[cold]
    pub(super) fn cut_off(&self) -> Box<ReadError> {
        let (line, column) = self.position();
        Box::new(ReadError::Truncated { line, column })
    }

    /// A text or a number has no end within [`LONGEST`].
    #[cold]
    pub(super) fn too_long(&self) -> Box<ReadError> {
        self.shape(format!("a text or number of more than {LONGEST} bytes"))
    }
}
