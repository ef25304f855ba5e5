//! Prysm's minimal database: any files beside and below.
#![no_main]

mod agree;

use failover::databases::prysm_minimal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let all = agree::files(bytes);
    let keys = agree::below(&all, "slashing-protection/");
    agree::agree(
        |sink| prysm_minimal::read(&all, &keys, sink),
        |sink| prysm_minimal::read(&all, &keys, sink),
    );
});
