//! LevelDB's small encodings: little-endian numbers, varints, length-prefixed bytes, internal keys and masked CRC32C
//! (LevelDB, `util/coding.cc`, `util/crc32c.h`, `db/dbformat.h`).
//!
//! Must never read past the end, and never take a number that does not fit for a smaller one.

use crc::{CRC_32_ISCSI, Crc, Table};

/// CRC32C, sixteen bytes at a time.
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Bytes that are taken from the front. `None` everywhere means that they end too early or do not fit.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Seven bits a byte, lowest first, at most 64 bits.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A varint that is a length in memory.
    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    /// A length and as many bytes.
    pub(super) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }
}

/// What a key of a table or a log says beside the user's key: sequence number × 256 + kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag(pub(super) u64);

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deletion,
    Value,
}

impl Kind {
    pub(super) fn of(byte: u8) -> Option<Kind> {
        match byte {
            0 => Some(Kind::Deletion),
            1 => Some(Kind::Value),
            _ => None,
        }
    }
}

impl Tag {
    pub(super) fn new(sequence: u64, kind: Kind) -> Tag {
        let kind = match kind {
            Kind::Deletion => 0,
            Kind::Value => 1,
        };
        Tag(sequence << 8 | kind)
    }

    pub(super) fn sequence(self) -> u64 {
        self.0 >> 8
    }

    pub(super) fn is_value(self) -> bool {
        self.0 & 0xff == 1
    }
}

/// Cuts an internal key into the user's key and its tag; `None` when it is too short or of an unknown kind.
pub(super) fn internal_key(bytes: &[u8]) -> Option<(&[u8], Tag)> {
    let (user, tag) = bytes.split_last_chunk::<8>()?;
    Kind::of(tag[0])?;
    Some((user, Tag(u64::from_le_bytes(*tag))))
}

/// Internal keys in LevelDB's order: the user's keys ascending, of the same one the newest first.
pub(super) fn in_order(a: (&[u8], Tag), b: (&[u8], Tag)) -> std::cmp::Ordering {
    a.0.cmp(b.0).then(b.1.cmp(&a.1))
}

/// The checksum as it is stored. LevelDB masks it, so that checksums of bytes that hold checksums stay good.
pub(super) fn masked_crc32c(parts: &[&[u8]]) -> u32 {
    let mut digest = CRC32C.digest();
    for part in parts {
        digest.update(part);
    }
    mask(digest.finalize())
}

/// True when the checksum is that of `head` and of some part of `body` from its front.
pub(super) fn is_crc32c_of_a_prefix(stored: u32, head: &[u8], body: &[u8]) -> bool {
    let mut digest = CRC32C.digest();
    digest.update(head);
    let mut found = mask(digest.clone().finalize()) == stored;
    for byte in body {
        digest.update(&[*byte]);
        found |= mask(digest.clone().finalize()) == stored;
    }
    found
}

fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_end_at_64_bits() {
        for (bytes, value) in [
            (&[0x00][..], Some(0)),
            (&[0xac, 0x02], Some(300)),
            (&[0x80], None),
            (&[], None),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                Some(u64::MAX),
            ),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
                None,
            ),
            (&[0x80; 11], None),
        ] {
            assert_eq!(Bytes(bytes).varint(), value, "{bytes:x?}");
        }
    }

    #[test]
    fn checksums_are_those_of_the_rfc_masked() {
        // RFC 3720, B.4: 32 bytes of zeros; the mask undone by hand.
        let masked = masked_crc32c(&[&[0; 16], &[0; 16]]);
        assert_eq!(masked.wrapping_sub(0xa282_ead8).rotate_left(15), 0x8a91_36aa);
        assert!(is_crc32c_of_a_prefix(masked, &[0], &[0; 40]));
        assert!(!is_crc32c_of_a_prefix(masked, &[0], &[0; 30]));
    }
}
