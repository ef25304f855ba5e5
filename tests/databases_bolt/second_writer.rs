//! Files of any content, written by `nut`, a second implementation of bolt: nested buckets, large values, many
//! transactions with deletions, every page size. Must never read anything but what was put in last.

use std::collections::BTreeMap;

use failover::databases::bolt::{Bolt, Bucket, Value};
use proptest::prelude::*;

/// What one bucket holds: values, and buckets of values.
type Model = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// One change: which bucket, which key, and a value or its removal.
type Change = (u8, Vec<u8>, Option<Vec<u8>>);

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let key = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 1..12),
        1 => (any::<u8>(), 2000..3000usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let value = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 3000..20000usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let change = (0u8..4, key, prop::option::weighted(0.7, value));
    prop::collection::vec(prop::collection::vec(change, 1..60), 1..6)
}

fn write(path: &std::path::Path, page_size: usize, transactions: &[Vec<Change>]) -> Model {
    let mut model = Model::new();
    let mut db = nut::DBBuilder::new(path).page_size(page_size).build().unwrap();
    for transaction in transactions {
        let mut tx = db.begin_rw_tx().unwrap();
        for (which, key, value) in transaction {
            let name = vec![b'a' + which; 3];
            let mut bucket = tx.create_bucket_if_not_exists(&name).unwrap();
            let held = model.entry(name).or_default();
            match value {
                Some(value) => {
                    bucket.put(key, value.clone()).unwrap();
                    held.insert(key.clone(), value.clone());
                }
                None => {
                    bucket.delete(key).unwrap();
                    held.remove(key);
                }
            }
        }
        tx.commit().unwrap();
    }
    model
}

fn dump(bytes: &[u8]) -> Model {
    let bolt = Bolt::open(bytes, "memory").unwrap();
    let mut model = Model::new();
    let mut names = bolt.walk(&bolt.root()).unwrap();
    while let Some(entry) = names.next().unwrap() {
        let name = entry.key.to_vec();
        let Value::Bucket(bucket) = entry.value else {
            panic!("a value outside of buckets")
        };
        model.insert(name, values(&bolt, &bucket));
    }
    bolt.finish().unwrap();
    model
}

/// Walks, and looks up each key as well.
fn values(bolt: &Bolt<'_, [u8]>, bucket: &Bucket) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut values = BTreeMap::new();
    let mut walk = bolt.walk(bucket).unwrap();
    while let Some(entry) = walk.next().unwrap() {
        let Value::Bytes(value) = entry.value else {
            panic!("a bucket below a bucket")
        };
        assert!(values.insert(entry.key.to_vec(), value.to_vec()).is_none());
    }
    let mut search = bolt.search(bucket).unwrap();
    for (key, value) in values.iter().rev().chain(&values) {
        assert_eq!(search.get(key).unwrap(), Some(&value[..]));
        let mut behind = key.clone();
        behind.push(0);
        assert_eq!(
            search.get(&behind).unwrap(),
            values.get(&behind).map(|value| &value[..])
        );
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Proves that walking and looking up find exactly what was put in.
    #[test]
    fn any_content_is_read(transactions in changes(), size in prop::sample::select(vec![4096usize, 16384, 65536])) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("any.db");
        let model = write(&path, size, &transactions);
        let mut bytes = std::fs::read(&path).unwrap();
        // nut writes every meta page over the first one and calls every other one page 1; bolt takes turns.
        bytes[0] = 0;
        prop_assert_eq!(dump(&bytes), model);
    }
}
