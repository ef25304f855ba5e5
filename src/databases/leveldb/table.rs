//! Sorted tables, `.ldb` or `.sst`: footer, index, blocks with their checksums (LevelDB, `doc/table_format.md`). Holds the
//! index and one block at a time.
//!
//! Must never skip a block that it was asked for, nor trust one whose checksum does not fit.

use super::block::Block;
use super::coding::{Bytes, Tag, in_order, internal_key, masked_crc32c};
use super::manifest::TableFile;
use super::merge::Source;
use crate::databases::{DatabaseError, ReadAt};

/// Two handles of at most 20 bytes, padded, and the magic number.
const FOOTER: usize = 48;
const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Behind each block: its compression and its checksum.
const TRAILER: usize = 5;
/// A block is at most this long, as it lies there and uncompressed. LevelDB's have some 4 KiB and one entry.
const LARGEST_BLOCK: usize = 64 << 20;

/// Goes through one table.
pub(super) struct Cursor<'a> {
    file: Box<dyn ReadAt + 'a>,
    place: String,
    bounds: &'a TableFile,
    index: Block,
    data: Option<Block>,
    /// The key before this one; none before the first.
    previous: Option<Vec<u8>>,
    from: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Stands before the first entry whose key is not below `from`. `bounds` is what the manifest says of the table; that
    /// it is as long as that has been seen.
    pub(super) fn open(
        file: Box<dyn ReadAt + 'a>,
        place: String,
        bounds: &'a TableFile,
        from: &'a [u8],
    ) -> Result<Cursor<'a>, DatabaseError> {
        let index = index_handle(&*file, bounds.size, &place)?;
        let index = read_block(&*file, bounds.size, index, &place)?;
        Ok(Cursor {
            file,
            place,
            bounds,
            index,
            data: None,
            previous: None,
            from,
        })
    }

    /// Goes to the next entry of the table, in whichever block; `false` behind the last.
    fn step(&mut self) -> Result<bool, DatabaseError> {
        loop {
            if let Some(data) = &mut self.data
                && data.advance().map_err(|_| malformed(&self.place))?
            {
                return self.in_order().map(|()| true);
            }
            if !self.index.advance().map_err(|_| malformed(&self.place))? {
                return self.ended().map(|()| false);
            }
            // The index has a key that is not below any of the block's.
            let (last, _) = internal_key(self.index.key()).ok_or_else(|| malformed(&self.place))?;
            if last < self.from {
                continue;
            }
            let handle = handle(&mut Bytes(self.index.value())).ok_or_else(|| malformed(&self.place))?;
            self.data = Some(read_block(&*self.file, self.bounds.size, handle, &self.place)?);
        }
    }

    fn in_order(&mut self) -> Result<(), DatabaseError> {
        let wrong = |what: &str| Err(DatabaseError::damaged(self.place.as_str(), what));
        let bytes = self.data.as_ref().map_or(&[][..], Block::key);
        let Some(key) = internal_key(bytes) else {
            return wrong("a key without its sequence number");
        };
        match self.previous.as_deref().map(internal_key) {
            Some(Some(previous)) if in_order(previous, key).is_lt() => (),
            Some(_) => return wrong("keys out of order"),
            None if self.from.is_empty() && bytes != self.bounds.smallest => {
                return wrong("its first key is not the one in the manifest");
            }
            None => (),
        }
        let previous = self.previous.get_or_insert_default();
        previous.clear();
        previous.extend_from_slice(bytes);
        Ok(())
    }

    fn ended(&self) -> Result<(), DatabaseError> {
        let skipped = self.previous.is_none() && !self.from.is_empty();
        if skipped || self.previous.as_deref() == Some(&self.bounds.largest) {
            return Ok(());
        }
        Err(DatabaseError::damaged(
            self.place.as_str(),
            "its last key is not the one in the manifest",
        ))
    }
}

impl Source for Cursor<'_> {
    fn advance(&mut self) -> Result<bool, DatabaseError> {
        while self.step()? {
            if self.key().0 >= self.from {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn key(&self) -> (&[u8], Tag) {
        self.data
            .as_ref()
            .and_then(|data| internal_key(data.key()))
            .unwrap_or((&[], Tag(0)))
    }

    fn value(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], Block::value)
    }
}

/// Where a block lies: offset and length, without its trailer.
#[derive(Clone, Copy)]
struct Handle {
    offset: u64,
    length: u64,
}

fn handle(bytes: &mut Bytes) -> Option<Handle> {
    Some(Handle {
        offset: bytes.varint()?,
        length: bytes.varint()?,
    })
}

/// The footer: handles of the filters' index, which is not needed, and of the index.
fn index_handle(file: &dyn ReadAt, length: u64, place: &str) -> Result<Handle, DatabaseError> {
    let mut footer = [0; FOOTER];
    let wrong = || DatabaseError::damaged(place, "no footer of a LevelDB table");
    let offset = length.checked_sub(FOOTER as u64).ok_or_else(wrong)?;
    file.read_at(offset, &mut footer)
        .map_err(|error| DatabaseError::io(place, &error))?;
    let (handles, magic) = footer.split_last_chunk::<8>().ok_or_else(wrong)?;
    if u64::from_le_bytes(*magic) != MAGIC {
        return Err(wrong());
    }
    let mut handles = Bytes(handles);
    handle(&mut handles).ok_or_else(wrong)?;
    handle(&mut handles).ok_or_else(wrong)
}

fn read_block(
    file: &dyn ReadAt,
    file_length: u64,
    handle: Handle,
    place: &str,
) -> Result<Block, DatabaseError> {
    let place = format!("{place}, block at {}", handle.offset);
    let wrong = |what: &str| DatabaseError::damaged(place.as_str(), what);
    let length = usize::try_from(handle.length)
        .ok()
        .filter(|length| *length <= LARGEST_BLOCK)
        .ok_or_else(|| wrong("too long for a block"))?;
    let inside = handle
        .offset
        .checked_add((length + TRAILER) as u64)
        .is_some_and(|end| end <= file_length);
    if !inside {
        return Err(wrong("it ends behind the file"));
    }
    let mut bytes = vec![0; length + TRAILER];
    file.read_at(handle.offset, &mut bytes)
        .map_err(|error| DatabaseError::io(place.as_str(), &error))?;
    let trailer = bytes.split_off(length);
    let mut trailer = Bytes(&trailer);
    let (compression, stored) = trailer
        .byte()
        .zip(trailer.u32())
        .ok_or_else(|| wrong("it ends too early"))?;
    if masked_crc32c(&[&bytes, &[compression]]) != stored {
        return Err(wrong("its checksum does not fit"));
    }
    let bytes = match compression {
        0 => bytes,
        1 => unsnapped(&bytes).ok_or_else(|| wrong("it cannot be uncompressed"))?,
        kind => {
            return Err(DatabaseError::Unsupported {
                place,
                what: format!("a block of compression {kind}; Lodestar's LevelDB knows none and snappy"),
                remedy: "Export it with the client that wrote it".to_owned(),
            });
        }
    };
    Block::new(bytes).map_err(|_| malformed(&place))
}

fn unsnapped(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = snap::raw::decompress_len(bytes).ok()?;
    // Snappy writes at most 64 bytes for each 3 it reads; what claims more is refused before it is allocated.
    if length > LARGEST_BLOCK || length / 32 > bytes.len() {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(bytes).ok()
}

fn malformed(place: &str) -> DatabaseError {
    DatabaseError::damaged(place, "an entry that does not fit its format")
}
