//! An interchange, any bytes. What is read can be merged, written and read again, and means the same.
#![no_main]

use failover::protection::{History, Input, Interchange, fold, merge, read, read_from, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut history = History::default();
    let mut kept = Interchange::default();
    let folded = read_from(bytes, &mut history);
    let whole = read_from(bytes, &mut kept);
    assert_eq!(folded, whole);
    let Ok(summary) = folded else {
        assert!(read(bytes).is_err());
        return;
    };
    assert_eq!(history.floors, fold(&kept).floors);
    let root = summary.genesis_validators_root.unwrap_or([7; 32].into());
    history.genesis_validators_root = Some(root);
    let Ok(merged) = merge(&[Input::new("fuzz", &history)], root) else { return };
    for (key, floors) in &history.floors {
        assert!(merged.floors().get(key).is_some_and(|held| held.covers(floors)));
    }
    let again = read(&write(&merged)).map(|document| fold(&document).floors);
    assert!(again.is_ok_and(|again| again.iter().all(|(key, floors)| merged.floors()[key].same_as(floors))));
});
