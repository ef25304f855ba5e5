//! Is a write-ahead log (`-wal`) whole? SQLite stops at the first frame that does not fit and says nothing, so a cut or
//! spoilt log reads as a shorter history: what it would drop is looked for here.
//! Must never change anything, and never pass a log that lost a frame which can be known to have been there.
//!
//! Layout: SQLite's "Database File Format", section 4; the index (`-shm`): "WAL-mode File Format", section 2.

use crate::databases::{DatabaseError, ReadAt};

/// Header of the log, and of one frame, bytes.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The only version of the log, and of its index.
const VERSION: u32 = 3_007_000;

/// What a log holds, frames. All of it is of the log's present generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Of finished transactions: these are part of the database.
    pub committed: u64,
    /// Behind the last finished transaction: its client had not signed yet, and discards them too.
    pub unfinished: u64,
    /// Left over from before the log was last begun anew, when all of them were in the database already.
    pub left_over: u64,
}

/// Reads a log, checksum by checksum, and holds it against its index where there is one.
///
/// # Errors
/// It is cut, a finished transaction of its present generation is spoilt, or the index knows of more of them.
pub fn examine(
    log: &(impl ReadAt + ?Sized),
    index: Option<&dyn ReadAt>,
    place: &str,
) -> Result<Log, DatabaseError> {
    let length = log.length().map_err(|error| DatabaseError::io(place, &error))?;
    let index = index.and_then(Index::read);
    if length == 0 {
        return none_missed(index, place);
    }
    let mut header = [0; LOG_HEADER];
    fill(log, 0, &mut header, place)?;
    let (mut sum, frame_bytes) = begin(&header).map_err(|why| DatabaseError::damaged(place, why))?;
    let behind = length.saturating_sub(LOG_HEADER as u64);
    let frames = behind / frame_bytes;
    if !behind.is_multiple_of(frame_bytes) {
        return Err(DatabaseError::damaged(
            place,
            format!("cut within frame {} of the write-ahead log", frames + 1),
        ));
    }
    let salt = array(&header, 16);
    let mut found = Log::default();
    let mut frame = vec![0; usize::try_from(frame_bytes).unwrap_or_default()];
    let mut at = 0;
    while at < frames {
        fill(log, LOG_HEADER as u64 + at * frame_bytes, &mut frame, place)?;
        if array::<8>(&frame, 8) != salt || !sum.fits(&frame) {
            break;
        }
        at += 1;
        found.unfinished += 1;
        // The size of the database stands only in the last frame of a transaction.
        if word(&frame, 4) != 0 {
            found.committed = at;
            found.unfinished = 0;
        }
    }
    for left in at..frames {
        let mut head = [0; FRAME_HEADER];
        fill(log, LOG_HEADER as u64 + left * frame_bytes, &mut head, place)?;
        let unfinished = may_be_unfinished(&head, salt).ok_or_else(|| {
            let what = format!(
                "frame {} of {frames} of the write-ahead log is spoilt; SQLite would leave it and all behind it out \
                 without a word",
                at + 1
            );
            DatabaseError::damaged(place, what)
        })?;
        found.unfinished += u64::from(unfinished);
        found.left_over += u64::from(!unfinished);
    }
    let known = index.filter(|index| index.salt == salt && u64::from(index.committed) > found.committed);
    match known {
        None => Ok(found),
        Some(index) => {
            let what = format!(
                "the index beside it (-shm) knows {} finished frames, the write-ahead log holds {}",
                index.committed, found.committed
            );
            Err(DatabaseError::damaged(place, what))
        }
    }
}

/// No log, or an empty one: right if all that the index knows of is in the database.
fn none_missed(index: Option<Index>, place: &str) -> Result<Log, DatabaseError> {
    let Some(index) = index.filter(|index| index.committed > index.taken_over) else {
        return Ok(Log::default());
    };
    let what = format!(
        "empty or not there, but the index beside it (-shm) knows {} finished frames, {} of them taken over into the \
         database: copy all parts",
        index.committed, index.taken_over
    );
    Err(DatabaseError::damaged(place, what))
}

/// Behind the first frame that does not fit: whether a frame is of a transaction that was cut off, which writes again
/// over its own frames and mends their checksums only when it ends; or of an older generation, which differs in both
/// salts. None: neither, as it ends a transaction of the present generation, or a bit of its salts was flipped.
fn may_be_unfinished(head: &[u8; FRAME_HEADER], salt: [u8; 8]) -> Option<bool> {
    let (first, second) = (head[8..12] == salt[..4], head[12..16] == salt[4..]);
    let ends = word(head, 4) != 0;
    (first == second && !(first && ends)).then_some(first)
}

/// The checksum behind the header, and the length of a frame in bytes.
fn begin(header: &[u8; LOG_HEADER]) -> Result<(Sum, u64), &'static str> {
    let magic = word(header, 0);
    if magic & !1 != 0x377f_0682 || word(header, 4) != VERSION {
        return Err("not the header of a write-ahead log");
    }
    let page_bytes = word(header, 8);
    if !page_bytes.is_power_of_two() || !(512..=65536).contains(&page_bytes) {
        return Err("the write-ahead log's pages have an impossible size");
    }
    let mut sum = Sum {
        big_endian: magic & 1 == 1,
        pair: (0, 0),
    };
    sum.add(&header[..24]);
    if sum.pair != (word(header, 24), word(header, 28)) {
        return Err(
            "the header of the write-ahead log is spoilt; SQLite would leave the whole log out without a word",
        );
    }
    Ok((sum, FRAME_HEADER as u64 + u64::from(page_bytes)))
}

/// What the index says of its log. It is written in the machine's own order.
#[derive(Clone, Copy)]
struct Index {
    salt: [u8; 8],
    /// Frames of finished transactions.
    committed: u32,
    /// So many of them are in the database already.
    taken_over: u32,
}

impl Index {
    /// None where it is not whole: SQLite makes a new one then, and so proves nothing.
    fn read(index: &dyn ReadAt) -> Option<Index> {
        let mut head = [0; 100];
        index.read_at(0, &mut head).ok()?;
        let (first, second) = (head.get(..48)?, head.get(48..96)?);
        let read: fn([u8; 4]) -> u32 = if array::<4>(&head, 0) == VERSION.to_le_bytes() {
            u32::from_le_bytes
        } else {
            u32::from_be_bytes
        };
        let whole = first == second && read(array(first, 0)) == VERSION && first.get(12) == Some(&1);
        whole.then(|| Index {
            salt: array(first, 32),
            committed: read(array(first, 16)),
            taken_over: read(array(&head, 96)),
        })
    }
}

/// The running checksum over 32-bit words, taken two by two.
#[derive(Clone, Copy)]
struct Sum {
    big_endian: bool,
    pair: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let (mut first, mut second) = self.pair;
        for pair in bytes.chunks_exact(8) {
            let [a, b] = [array::<4>(pair, 0), array::<4>(pair, 4)].map(|word| {
                if self.big_endian {
                    u32::from_be_bytes(word)
                } else {
                    u32::from_le_bytes(word)
                }
            });
            first = first.wrapping_add(a).wrapping_add(second);
            second = second.wrapping_add(b).wrapping_add(first);
        }
        self.pair = (first, second);
    }

    /// Takes up a frame if its page number and checksum fit.
    fn fits(&mut self, frame: &[u8]) -> bool {
        let mut sum = *self;
        sum.add(frame.get(..8).unwrap_or_default());
        sum.add(frame.get(FRAME_HEADER..).unwrap_or_default());
        let fits = word(frame, 0) != 0 && sum.pair == (word(frame, 16), word(frame, 20));
        if fits {
            *self = sum;
        }
        fits
    }
}

fn fill(
    log: &(impl ReadAt + ?Sized),
    offset: u64,
    buffer: &mut [u8],
    place: &str,
) -> Result<(), DatabaseError> {
    log.read_at(offset, buffer).map_err(|error| {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            DatabaseError::damaged(place, "the write-ahead log is cut within its header")
        } else {
            DatabaseError::io(place, &error)
        }
    })
}

/// Zeros where the bytes end; callers give whole buffers.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}
