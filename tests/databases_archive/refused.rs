//! Does `unpack` refuse everything that is not plainly files and directories, and say why?

use super::making::{archive, entry, file, gzip, header, link, octal, pax};
use super::refusal;

/// What it is, what the refusal must say, and the entries.
type Case = (&'static str, &'static str, Vec<Vec<u8>>);

/// Each is refused for its reason: alone, and packed behind a file that was unpacked already.
fn refused(cases: Vec<Case>) {
    for (case, says, entries) in cases {
        let alone = refusal(&archive(&entries));
        assert!(
            alone.contains(says) && alone.starts_with("archive"),
            "{case}: {alone}"
        );
        let behind = [vec![file("first/of/all")], entries].concat();
        let behind = refusal(&gzip(&archive(&behind)));
        assert!(behind.contains(says), "{case}, packed: {behind}");
    }
}

#[test]
fn names_that_lead_elsewhere() {
    let long = |name: &[u8]| entry("L", b'L', name);
    refused(vec![
        ("absolute", "is absolute", vec![file("/etc/x")]),
        ("upwards", "leads upwards", vec![file("../x")]),
        ("upwards inside", "leads upwards", vec![file("a/../../x")]),
        ("upwards last", "leads upwards", vec![entry("a/..", b'5', b"")]),
        ("by pax", "leads upwards", vec![pax(b"13 path=../x\n"), file("x")]),
        (
            "absolute by pax",
            "absolute",
            vec![pax(b"11 path=/x\n"), file("x")],
        ),
        (
            "by a long name",
            "leads upwards",
            vec![long(b"../x\0"), file("x")],
        ),
        ("NUL", "control", vec![long(b"x\0y\0"), file("x")]),
        ("line end", "control", vec![file("a\nb")]),
        ("no name", "no name", vec![file("")]),
        (
            "not UTF-8",
            "not UTF-8",
            vec![header(b"\xff", b'0', &octal(0), b"")],
        ),
        ("too long", "too long", vec![long(&[b'a'; 256]), file("a")]),
        (
            "too deep",
            "16 directories deep",
            vec![file(&format!("{}b", "a/".repeat(16)))],
        ),
    ]);
}

#[test]
fn links_and_devices() {
    refused(vec![
        ("symbolic link", "is a link", vec![link(b'2', "/etc/passwd")]),
        (
            "through a link",
            "is a link",
            vec![link(b'2', "/tmp"), file("a/x")],
        ),
        ("hard link", "is a link", vec![file("b"), link(b'1', "b")]),
        (
            "long link",
            "is a link",
            vec![entry("L", b'K', b"b\0"), link(b'2', "b")],
        ),
        ("characters", "neither a file", vec![entry("a", b'3', b"")]),
        ("blocks", "neither a file", vec![entry("a", b'4', b"")]),
        ("pipe", "neither a file", vec![entry("a", b'6', b"")]),
        ("contiguous", "neither a file", vec![entry("a", b'7', b"")]),
        ("volume", "neither a file", vec![entry("a", b'V', b""), file("b")]),
        (
            "for all",
            "neither a file",
            vec![entry("g", b'g', b"11 path=/x\n"), file("a")],
        ),
        ("sparse", "holes left out", vec![entry("a", b'S', b"")]),
        (
            "sparse by pax",
            "holes left out",
            vec![pax(b"22 GNU.sparse.major=1\n"), file("a")],
        ),
    ]);
}

#[test]
fn names_that_come_twice() {
    let directory = || entry("a/", b'5', b"");
    refused(vec![
        ("file", "comes twice", vec![file("a"), file("a")]),
        (
            "spelt otherwise",
            "comes twice",
            vec![file("a/b"), file("./a//b")],
        ),
        (
            "file, directory",
            "a file and a directory",
            vec![file("a"), directory()],
        ),
        (
            "file as parent",
            "a file and a directory",
            vec![file("a"), file("a/b")],
        ),
        ("directory, file", "comes twice", vec![directory(), file("a")]),
        ("file as directory", "the name of a directory", vec![file("a/")]),
        ("file as root", "the name of a directory", vec![file("./.")]),
    ]);
}

#[test]
fn headers_that_lie() {
    let spoilt = || {
        let mut bytes = file("a");
        bytes[0] ^= 1;
        bytes
    };
    let long = || entry("L", b'L', b"a\0");
    let sized = |size: &[u8]| header(b"a", b'0', size, b"");
    let ours = || pax(b"10 path=a\n");
    refused(vec![
        ("checksum", "checksum is wrong", vec![spoilt()]),
        (
            "directory with content",
            "with content",
            vec![entry("b", b'5', b"x")],
        ),
        ("no number", "no number", vec![sized(b"0000000000x\0")]),
        ("beyond all", "more than", vec![sized(&[0xff; 12])]),
        (
            "pax beyond all",
            "more than",
            vec![pax(b"29 size=18446744073709551615\n"), file("a")],
        ),
        (
            "pax no number",
            "no number",
            vec![pax(b"11 size=-1\n"), file("a")],
        ),
        (
            "pax length",
            "header that is spoilt",
            vec![pax(b"99 path=a\n"), file("a")],
        ),
        (
            "pax without =",
            "header that is spoilt",
            vec![pax(b"8 patha\n"), file("a")],
        ),
        (
            "pax twice",
            "same thing twice",
            vec![pax(b"10 path=a\n10 path=b\n"), file("a")],
        ),
        ("two pax", "two long names", vec![ours(), ours(), file("a")]),
        ("long and pax", "two long names", vec![long(), ours(), file("a")]),
        ("of nothing", "in front of nothing", vec![file("a"), long()]),
        (
            "huge",
            "of 1048577 bytes",
            vec![pax(&vec![b'1'; (1 << 20) + 1]), file("a")],
        ),
        (
            "end of one block",
            "needs two",
            vec![file("a"), vec![0; 512], file("b")],
        ),
    ]);
}

#[test]
fn an_archive_without_a_file() {
    for entries in [vec![], vec![entry("a/", b'5', b"")]] {
        let refused = refusal(&archive(&entries));
        assert!(refused.contains("it holds no file"), "{refused}");
    }
}
