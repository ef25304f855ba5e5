//! An archive, any bytes: unpacked within its limits and below its directory, or refused with nothing left behind.
#![no_main]

use failover::databases::archive::{Limits, unpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(around) = tempfile::tempdir() else { return };
    let into = around.path().join("into");
    if std::fs::create_dir(&into).is_err() {
        return;
    }
    let limits = Limits {
        entries: 64,
        depth: 4,
        total_bytes: 4 << 20,
        ..Limits::default()
    };
    let unpacked = unpack(bytes, &into, &limits);
    let count = |path| std::fs::read_dir(path).map_or(0, Iterator::count);
    assert_eq!(count(around.path()), 1, "something was written beside the directory");
    if unpacked.is_err() {
        assert_eq!(count(&into), 0, "something was left behind");
    }
});
