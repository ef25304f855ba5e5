//! Lodestar's LevelDB directory: any files.
#![no_main]

mod agree;

use failover::databases::lodestar;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let files = agree::files(bytes);
    agree::agree(|sink| lodestar::read(&files, sink), |sink| lodestar::read(&files, sink));
});
