"""A reader of Lodestar's protection database for the referee alone: floors of every key, from the files of its LevelDB.

Shares nothing with the program under test: another language, another way (every record ever written counts, so that
nothing hides behind a deletion or a compaction), no checks of damage. Reads, never opens: it may look at a database in use.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCKS, ATTESTATIONS, LOWER_BOUNDS = 20, 21, 22
"""Lodestar's buckets: the first byte of a key."""

BLOCK, HEADER = 32 * 1024, 7
"""A log's blocks, and the header of a fragment: checksum 4, length 2, kind 1."""

FOOTER = 48
SNAPPY = 1


@dataclass
class Floor:
    """The highest of everything signed with a key; -1 = nothing."""

    slot: int = -1
    source: int = -1
    target: int = -1

    def raise_to(self, slot: int = -1, source: int = -1, target: int = -1) -> None:
        self.slot, self.source, self.target = max(self.slot, slot), max(self.source, source), max(self.target, target)

    def covers(self, other: "Floor") -> bool:
        return self.slot >= other.slot and self.source >= other.source and self.target >= other.target


Floors = dict[str, Floor]
"""By public key."""


def floors(folder: Path) -> Floors:
    """Of a database in a folder; none where there is no folder."""
    found: Floors = {}
    for key, value in entries(folder):
        if key[0] == BLOCKS and len(key) == 57:
            found.setdefault(name(key), Floor()).raise_to(slot=little(value, 0))
        elif key[0] == ATTESTATIONS and len(key) == 57:
            found.setdefault(name(key), Floor()).raise_to(source=little(value, 0), target=little(value, 8))
        elif key[0] == LOWER_BOUNDS and len(key) == 49:
            found.setdefault(name(key), Floor()).raise_to(source=little(value, 0), target=little(value, 8))
    return found


def name(key: bytes) -> str:
    return "0x" + key[1:49].hex()


def little(value: bytes, at: int) -> int:
    return int.from_bytes(value[at : at + 8], "little")


def entries(folder: Path) -> Iterator[tuple[bytes, bytes]]:
    """Every key with every value that any file of the folder holds. A file that a compaction takes away is in another."""
    if not folder.exists():
        return
    done: set[str] = set()
    while fresh := {entry for entry in os.listdir(folder) if entry.endswith((".log", ".ldb"))} - done:
        for file in sorted(fresh):
            try:
                content = (folder / file).read_bytes()
            except FileNotFoundError:
                continue
            yield from log_entries(content) if file.endswith(".log") else table_entries(content)
        done |= fresh


# --- a log: batches in records, records in fragments ------------------------------------------------


def log_entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    for batch in records(content):
        at = 12
        while at < len(batch):
            kind, at = batch[at], at + 1
            key, at = slice_at(batch, at)
            if kind == 1:
                value, at = slice_at(batch, at)
                if key:
                    yield key, value


def records(content: bytes) -> Iterator[bytes]:
    """Whole records; the last one, when its writer has not finished it, is left out."""
    begun, at = b"", 0
    while at + HEADER <= len(content):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        body = content[at + HEADER : at + HEADER + length]
        if kind == 0 or len(body) < length:
            return
        begun = body if kind in (1, 2) else begun + body
        if kind in (1, 4):
            yield begun
        at += HEADER + length


# --- a table: blocks named by an index --------------------------------------------------------------


def table_entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(content) - FOOTER
    for _ in range(2):
        _, at = varint(content, at)
    offset, at = varint(content, at)
    size, _ = varint(content, at)
    for _, handle in block_entries(block(content, offset, size)):
        start, next_at = varint(handle, 0)
        length, _ = varint(handle, next_at)
        for key, value in block_entries(block(content, start, length)):
            # Behind the key stand its sequence and whether it is a value (1) or a deletion.
            if key[-8] == 1 and len(key) > 8:
                yield key[:-8], value


def block(content: bytes, offset: int, size: int) -> bytes:
    body = content[offset : offset + size]
    return unsnap(body) if content[offset + size] == SNAPPY else body


def block_entries(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    end = len(body) - 4 - 4 * int.from_bytes(body[-4:], "little")
    key, at = b"", 0
    while at < end:
        shared, at = varint(body, at)
        own, at = varint(body, at)
        length, at = varint(body, at)
        key = key[:shared] + body[at : at + own]
        at += own
        yield key, body[at : at + length]
        at += length


def unsnap(packed: bytes) -> bytes:
    """Snappy: literals, and copies of what came before."""
    _, at = varint(packed, 0)
    out = bytearray()
    while at < len(packed):
        tag, at = packed[at], at + 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                more = length - 59
                length, at = int.from_bytes(packed[at : at + more], "little"), at + more
            out += packed[at : at + length + 1]
            at += length + 1
            continue
        if tag & 3 == 1:
            length, offset, at = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | packed[at], at + 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length, offset, at = (tag >> 2) + 1, int.from_bytes(packed[at : at + width], "little"), at + width
        for _ in range(length):
            out.append(out[-offset])
    return bytes(out)


# --- numbers ----------------------------------------------------------------------------------------


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = shift = 0
    while True:
        byte, at = data[at], at + 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def slice_at(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = varint(data, at)
    return data[at : at + length], at + length
