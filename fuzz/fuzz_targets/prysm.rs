//! Prysm's and Qrysm's bbolt file: any bytes, as they are and with the sums of the meta pages made to fit, so that damage
//! gets past them.
#![no_main]

mod agree;

use failover::databases::prysm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let summed = summed(bytes.to_vec());
    for bytes in [bytes, &summed] {
        agree::agree(
            |sink| prysm::read(bytes, "fuzz", sink),
            |sink| prysm::read(bytes, "fuzz", sink),
        );
    }
});

/// FNV-1a over the 56 bytes of each meta page, behind its header of 16.
fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let stored = bytes.get(24..28).and_then(|size| size.try_into().ok());
    let size = stored.map_or(4096, u32::from_le_bytes) as usize;
    for page in [0, size] {
        let Some(meta) = bytes.get_mut(page.saturating_add(16)..page.saturating_add(80)) else { continue };
        let sum = meta[..56]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        meta[56..64].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}
