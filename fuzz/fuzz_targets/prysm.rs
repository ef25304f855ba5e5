//! Prysm's and Qrysm's bbolt file: any bytes.
#![no_main]

mod agree;

use failover::databases::prysm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    agree::agree(
        |sink| prysm::read(bytes, "fuzz", sink),
        |sink| prysm::read(bytes, "fuzz", sink),
    );
});
