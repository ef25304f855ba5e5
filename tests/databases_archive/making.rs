//! Archives made by hand, header by header, as POSIX describes them and without the crate that reads them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// One block of a header as POSIX describes it, written without the crate that reads it.
pub fn header(name: &[u8], kind: u8, size: &[u8], link: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, b"0006777\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, size);
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

pub fn octal(size: usize) -> Vec<u8> {
    format!("{size:011o}\0").into_bytes()
}

pub fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name.as_bytes(), kind, &octal(content.len()), b"");
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub fn link(kind: u8, to: &str) -> Vec<u8> {
    header(b"a", kind, &octal(0), to.as_bytes())
}

pub fn file(name: &str) -> Vec<u8> {
    entry(name, b'0', b"content")
}

pub fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn pax(records: &[u8]) -> Vec<u8> {
    entry("PaxHeader", b'x', records)
}
