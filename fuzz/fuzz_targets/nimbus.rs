//! Nimbus's SQLite file with its journal or log beside it: any bytes in each.
#![no_main]

mod agree;

use failover::databases::nimbus;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(directory) = tempfile::tempdir() else { return };
    for (name, content) in agree::files(bytes).0 {
        let ending = name.replace(|letter: char| letter != '-' && !letter.is_ascii_lowercase(), "");
        let _ = std::fs::write(directory.path().join(format!("slashing_protection.sqlite3{ending}")), content);
    }
    let file = directory.path().join("slashing_protection.sqlite3");
    agree::agree(|sink| nimbus::read(&file, sink), |sink| nimbus::read(&file, sink));
});
