//! The bytes of a tar, taken out of gzip where they are in one, hashed as they came, and counted against the limits.
//! Must never report an end that the archive does not have, and never read on past a limit.

use std::io::{BufReader, Cursor, ErrorKind, Read};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::Limits;
use crate::databases::DatabaseError;

/// A tar is made of blocks of so many bytes.
pub(super) const BLOCK: usize = 512;

/// So many zeros may follow the end of an archive, bytes: tar fills up its last record, of 10 KiB unless it was told
/// otherwise.
const FILLING: u64 = 16 << 20;

/// What `unpack` does not read: how it begins, what it is, how to make a `.tar.gz` of it.
const OTHERS: [(&[u8], &str); 4] = [
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
];

type Whole<R> = std::io::Chain<Cursor<Vec<u8>>, R>;

pub(super) struct Source<R: Read> {
    tar: BufReader<Tar<R>>,
    limits: Limits,
    /// Bytes of the tar taken so far.
    taken: u64,
    /// The entry that is being read, for messages.
    pub(super) at: String,
}

enum Tar<R: Read> {
    Gzip(Box<MultiGzDecoder<Hashed<Whole<R>>>>),
    Plain(Hashed<Whole<R>>),
}

struct Hashed<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Source<R> {
    /// Looks at the first bytes only.
    pub(super) fn open(mut reader: R, limits: &Limits) -> Result<Self, DatabaseError> {
        let mut first = Vec::new();
        reader
            .by_ref()
            .take(BLOCK as u64)
            .read_to_end(&mut first)
            .map_err(|error| DatabaseError::io("archive", &error))?;
        if first.is_empty() {
            return Err(DatabaseError::damaged("archive", "it has no bytes"));
        }
        if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| first.starts_with(magic)) {
            return Err(DatabaseError::Unsupported {
                place: "archive".to_owned(),
                what: format!("it is packed by {name}"),
                remedy: "Unpack it into an empty directory and give that directory, or pack it as .tar.gz"
                    .to_owned(),
            });
        }
        let gzip = first.starts_with(b"\x1f\x8b");
        let whole = Hashed {
            inner: Cursor::new(first).chain(reader),
            hash: Sha256::new(),
            bytes: 0,
        };
        let tar = if gzip {
            Tar::Gzip(Box::new(MultiGzDecoder::new(whole)))
        } else {
            Tar::Plain(whole)
        };
        Ok(Source {
            tar: BufReader::with_capacity(128 * 1024, tar),
            limits: *limits,
            taken: 0,
            at: "archive".to_owned(),
        })
    }

    /// Fills the buffer, or the archive ends too early.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Result<(), DatabaseError> {
        self.tar
            .read_exact(buffer)
            .map_err(|error| failed(&self.at, &error))?;
        self.taken = self.taken.saturating_add(buffer.len() as u64);
        self.within_limits()
    }

    /// What fills up the last block behind `bytes` of content. Its content means nothing.
    pub(super) fn padding(&mut self, bytes: u64) -> Result<(), DatabaseError> {
        let over = usize::try_from(bytes % BLOCK as u64).unwrap_or_default();
        if over == 0 {
            return Ok(());
        }
        let mut rest = [0; BLOCK];
        self.take(rest.get_mut(over..).unwrap_or_default())
    }

    /// Says at once when an entry cannot fit any more.
    pub(super) fn within(&self, bytes: u64) -> Result<(), DatabaseError> {
        if self.taken.saturating_add(bytes) > self.limits.total_bytes {
            return Err(self.too_large());
        }
        Ok(())
    }

    /// Behind the end-of-archive blocks: nothing but zeros, whole checksums, and the end.
    pub(super) fn finish(mut self) -> Result<(String, u64), DatabaseError> {
        self.at = "archive, behind its end".to_owned();
        let mut buffer = [0; BLOCK];
        let mut filling = 0;
        loop {
            let read = match self.tar.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(&self.at, &error)),
            };
            filling += read as u64;
            let zeros = buffer.iter().take(read).all(|byte| *byte == 0);
            if !zeros || filling > FILLING {
                return Err(self.damaged("something follows that is not part of it"));
            }
        }
        let hashed = self.tar.into_inner().into_hashed();
        Ok((const_hex::encode(hashed.hash.finalize()), hashed.bytes))
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> DatabaseError {
        DatabaseError::damaged(&self.at, what)
    }

    pub(super) fn refused(&self, what: impl Into<String>, remedy: &str) -> DatabaseError {
        DatabaseError::Unsupported {
            place: self.at.clone(),
            what: what.into(),
            remedy: remedy.to_owned(),
        }
    }

    fn within_limits(&self) -> Result<(), DatabaseError> {
        if self.taken > self.limits.total_bytes {
            return Err(self.too_large());
        }
        let packed = self.tar.get_ref().hashed().bytes;
        let beyond = self.taken > self.limits.ratio_free_bytes;
        if beyond && self.taken / self.limits.ratio.max(1) > packed {
            return Err(self.refused(
                format!(
                    "{packed} bytes unpack to more than {} times as many",
                    self.limits.ratio
                ),
                "No database is so empty: look at where this archive comes from",
            ));
        }
        Ok(())
    }

    fn too_large(&self) -> DatabaseError {
        self.refused(
            format!("it unpacks to more than {} bytes", self.limits.total_bytes),
            "Unpack it by hand into an empty directory and give that directory",
        )
    }
}

fn failed(at: &str, error: &std::io::Error) -> DatabaseError {
    if error.kind() == ErrorKind::UnexpectedEof {
        DatabaseError::damaged(at, "the archive ends too early")
    } else if [ErrorKind::InvalidInput, ErrorKind::InvalidData].contains(&error.kind()) {
        DatabaseError::damaged(at, format!("the compressed bytes are spoilt: {error}"))
    } else {
        DatabaseError::io(at, error)
    }
}

impl<R: Read> Tar<R> {
    fn hashed(&self) -> &Hashed<Whole<R>> {
        match self {
            Tar::Gzip(decoder) => decoder.get_ref(),
            Tar::Plain(hashed) => hashed,
        }
    }

    fn into_hashed(self) -> Hashed<Whole<R>> {
        match self {
            Tar::Gzip(decoder) => decoder.into_inner(),
            Tar::Plain(hashed) => hashed,
        }
    }
}

impl<R: Read> Read for Tar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Tar::Gzip(decoder) => decoder.read(buffer),
            Tar::Plain(hashed) => hashed.read(buffer),
        }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(read as u64);
        Ok(read)
    }
}
