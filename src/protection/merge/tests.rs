//! The merge in tables: maxima, chains, limits, and what is raised.
//!
//! Must never compare a merge only with itself: expected floors are written out.

use super::sample::{ROOT, floors, history, key, merged};
use super::*;

#[test]
fn takes_the_highest_of_each_component_and_all_keys() {
    let a = history(&[(1, floors(Some(10), Some(3), Some(9))), (2, Floors::default())]);
    let b = history(&[
        (1, floors(Some(9), Some(5), Some(8))),
        (3, floors(Some(4), None, None)),
    ]);
    let merged = merged(&[&a, &b]);
    assert_eq!(
        merged
            .floors()
            .iter()
            .map(|(key, floors)| (key.clone(), *floors))
            .collect::<Vec<_>>(),
        [
            (key(1), floors(Some(10), Some(5), Some(9))),
            (key(2), Floors::default()),
            (key(3), floors(Some(4), None, None))
        ]
    );
    assert_eq!(merged.raises(), []);
    assert_eq!(
        merged.missing_keys([&key(1), &key(9), &key(9)].into_iter()),
        [key(9)]
    );
}

#[test]
fn raises_what_no_signer_can_hold_and_says_so() {
    for (from, to, said) in [
        (floors(Some(0), None, None), floors(None, None, None), false),
        (
            floors(None, Some(0), Some(0)),
            floors(None, Some(0), Some(0)),
            false,
        ),
        (floors(None, None, Some(7)), floors(None, Some(0), Some(7)), false),
        (floors(None, Some(0), None), floors(None, Some(0), Some(0)), true),
        (floors(None, Some(4), None), floors(None, Some(4), Some(5)), true),
        (
            floors(None, Some(4), Some(4)),
            floors(None, Some(4), Some(5)),
            true,
        ),
        (
            floors(None, Some(5), Some(2)),
            floors(None, Some(5), Some(6)),
            true,
        ),
    ] {
        let merged = merged(&[&history(&[(1, from)])]);
        assert_eq!(merged.floors()[&key(1)], to, "{from}");
        let raises = if said {
            vec![Raise {
                key: key(1),
                from,
                to,
            }]
        } else {
            Vec::new()
        };
        assert_eq!(merged.raises(), raises, "{from}");
    }
}

#[test]
fn refuses_another_or_an_unknown_chain_and_names_the_input() {
    let mut other = history(&[]);
    other.genesis_validators_root = Some([2; 32].into());
    let mut silent = history(&[]);
    silent.genesis_validators_root = None;
    let fine = history(&[]);
    let error = merge(
        &[Input::new("primary", &fine), Input::vouched("backup", &other)],
        ROOT,
    );
    let expected = GenesisRoot(ROOT);
    assert_eq!(
        error,
        Err(MergeError::OtherChain {
            label: "backup".to_owned(),
            found: [2; 32].into(),
            expected
        })
    );
    let error = merge(&[Input::new("primary", &silent)], ROOT);
    assert_eq!(
        error,
        Err(MergeError::UnknownChain {
            label: "primary".to_owned(),
            expected
        })
    );
    assert!(merge(&[Input::vouched("primary", &silent)], ROOT).is_ok());
    assert_eq!(merge(&[], ROOT), Err(MergeError::NoInput));
}

#[test]
fn refuses_numbers_lodestar_cannot_hold() {
    let limit = LARGEST_NUMBER;
    for (held, field) in [
        (floors(Some(limit + 1), None, None), "block slot"),
        (floors(None, Some(limit), Some(limit)), "target epoch"),
        (floors(None, Some(u64::MAX), None), "source epoch"),
    ] {
        match merge(&[Input::new("primary", &history(&[(1, held)]))], ROOT) {
            Err(MergeError::TooLarge {
                label, field: found, ..
            }) => {
                assert_eq!((label.as_str(), found), ("primary", field));
            }
            other => panic!("{held}: {other:?}"),
        }
    }
    assert!(
        merge(
            &[Input::new(
                "a",
                &history(&[(1, floors(Some(limit), Some(1), Some(limit)))])
            )],
            ROOT
        )
        .is_ok()
    );
}
