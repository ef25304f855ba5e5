//! Teku's directory: any files.
#![no_main]

mod agree;

use failover::databases::teku;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let files = agree::files(bytes);
    agree::agree(|sink| teku::read(&files, sink), |sink| teku::read(&files, sink));
});
