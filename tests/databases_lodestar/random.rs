//! Random histories on an independent LevelDB (`rusty-leveldb`, in memory), with tiny buffers, so that every history makes
//! logs, tables and compactions. Copied while it is open, as after a kill.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use failover::databases::Memory;
use failover::protection::{Interchange, PublicKey, Root, SignedAttestation, SignedBlock};
use proptest::prelude::*;
use rusty_leveldb::{DB, Options, WriteBatch, in_memory};

use super::made::{key, value};
use super::read;

/// What is done to the database. Numbers: which public key, which slot or target, which root.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, u64, u8),
    Delete(u8, u8, u64),
    Batch(Vec<(u8, u8, u64, u8)>),
    Reopen,
    Compact,
}

type Model = BTreeMap<(u8, u8, u64), u8>;

fn put() -> impl Strategy<Value = (u8, u8, u64, u8)> {
    (
        prop_oneof![Just(20_u8), Just(21)],
        0..5_u8,
        0..70_u64,
        any::<u8>(),
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        60 => put().prop_map(|(bucket, who, at, root)| Step::Put(bucket, who, at, root)),
        10 => put().prop_map(|(bucket, who, at, _)| Step::Delete(bucket, who, at)),
        10 => proptest::collection::vec(put(), 1..30).prop_map(Step::Batch),
        2 => Just(Step::Reopen),
        1 => Just(Step::Compact),
    ];
    proptest::collection::vec(step, 1..250)
}

fn options() -> impl Strategy<Value = (usize, usize, usize, bool, bool)> {
    let sizes = (200..6000_usize, 40..800_usize, 1..20_usize);
    (sizes, any::<bool>(), any::<bool>())
        .prop_map(|((buffer, block, restart), snappy, reuse)| (buffer, block, restart, snappy, reuse))
}

/// Public keys of different lengths, of which some are the front of others.
fn pubkey(who: u8) -> Vec<u8> {
    vec![9; 40 + 4 * usize::from(who)]
}

fn entry(bucket: u8, who: u8, at: u64, root: u8) -> (Vec<u8>, Vec<u8>) {
    let numbers = if bucket == 20 { vec![at] } else { vec![at / 2, at] };
    (key(bucket, &pubkey(who), Some(at)), value(&numbers, &[root; 32]))
}

/// Every file as it is now.
fn copied(options: &Options) -> Memory {
    let directory = Path::new("db");
    let names = options.env.children(directory).unwrap();
    let files = names.iter().map(|name| {
        let mut bytes = Vec::new();
        let mut file = options.env.open_sequential_file(&directory.join(name)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        (name.file_name().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    Memory(files.collect())
}

fn expected(model: &Model) -> Interchange {
    let mut all = Interchange::default();
    for ((bucket, who, at), root) in model {
        let record = all
            .records
            .entry(PublicKey::from_bytes(&pubkey(*who)).unwrap())
            .or_default();
        let signing_root = Root::known([*root; 32]);
        if *bucket == 20 {
            record.blocks.push(SignedBlock {
                slot: *at,
                signing_root,
            });
        } else {
            let (source_epoch, target_epoch) = (at / 2, *at);
            record.attestations.push(SignedAttestation {
                source_epoch,
                target_epoch,
                signing_root,
            });
        }
    }
    all
}

fn apply(db: &mut DB, model: &mut Model, puts: &[(u8, u8, u64, u8)]) {
    let mut batch = WriteBatch::default();
    for (bucket, who, at, root) in puts {
        let (key, value) = entry(*bucket, *who, *at, *root);
        batch.put(&key, &value);
        model.insert((*bucket, *who, *at), *root);
    }
    // It keeps what is not synced to itself.
    db.write(batch, true).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    /// Proves that whatever is written, overwritten, deleted and compacted, what is valid is read, and nothing else.
    #[test]
    fn what_is_read_is_what_is_valid(
        steps in steps(),
        last in put(),
        (buffer, block, restart, snappy, reuse) in options(),
    ) {
        let mut options = in_memory();
        options.write_buffer_size = buffer;
        options.max_file_size = 2 * buffer;
        options.block_size = block;
        options.block_restart_interval = restart;
        options.compressor = if snappy { 1 } else { 0 };
        options.reuse_logs = reuse;
        options.reuse_manifest = reuse;
        let mut db = DB::open("db", options.clone()).unwrap();
        let mut model = Model::new();
        for step in &steps {
            match step {
                Step::Put(bucket, who, at, root) => apply(&mut db, &mut model, &[(*bucket, *who, *at, *root)]),
                Step::Batch(puts) => apply(&mut db, &mut model, puts),
                Step::Delete(bucket, who, at) => {
                    let mut batch = WriteBatch::default();
                    batch.delete(&entry(*bucket, *who, *at, 0).0);
                    db.write(batch, true).unwrap();
                    model.remove(&(*bucket, *who, *at));
                }
                Step::Reopen => {
                    db.close().unwrap();
                    drop(db);
                    db = DB::open("db", options.clone()).unwrap();
                }
                Step::Compact => db.compact_range(&[0], &[255]).unwrap(),
            }
        }
        // Lodestar's newest write is never a deletion.
        apply(&mut db, &mut model, &[last]);
        let files = copied(&options);
        let (_, read) = read(&files).unwrap_or_else(|error| panic!("{error}\n{:?}", files.0.keys()));
        prop_assert_eq!(read, expected(&model));
    }
}
