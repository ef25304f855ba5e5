//! The cases: each runs once in a process of its own and prints wall seconds, CPU seconds and the peak of
//! memory in bytes. Opening and reading the files is part of it.
//!
//! Must never be quick because it did nothing: each checks how many records it saw.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use failover::protection::{
    CompleteInput, Conflicts, GenesisRoot, History, Input, Interchange, Sink, find_conflicts, merge,
    merge_complete, read_from, write, write_complete,
};
use rustix::time::{ClockId, clock_gettime};

use crate::typed::Document;

/// Runs a case by name and prints what it took.
pub fn run(case: &str, files: &[PathBuf]) {
    let wall = Instant::now();
    let before_s = cpu_s();
    let records = match case {
        "fold" => load::<History>(&files[0]).1,
        "keep" => load::<Interchange>(&files[0]).1,
        "conflicts" => search(files),
        "one" => search_one(&files[0]),
        "merge" => merge_floors(files),
        "complete" => merge_all(files),
        "serde-reader" => typed_reader(&files[0]),
        "serde-slice" => typed_slice(&files[0]),
        _ => panic!("no case {case}"),
    };
    let (cpu_s, wall_s) = (cpu_s() - before_s, wall.elapsed().as_secs_f64());
    assert!(records >= 2_000_000, "only {records} records");
    println!("{wall_s} {cpu_s} {}", peak_bytes());
}

trait Rooted: Sink + Default {
    fn root(&mut self) -> &mut Option<GenesisRoot>;
}

impl Rooted for History {
    fn root(&mut self) -> &mut Option<GenesisRoot> {
        &mut self.genesis_validators_root
    }
}

impl Rooted for Interchange {
    fn root(&mut self) -> &mut Option<GenesisRoot> {
        &mut self.genesis_validators_root
    }
}

fn load<S: Rooted>(path: &Path) -> (S, u64) {
    let mut sink = S::default();
    let summary = read_from(File::open(path).unwrap(), &mut sink).unwrap();
    *sink.root() = summary.genesis_validators_root;
    (sink, summary.blocks + summary.attestations)
}

fn search(files: &[PathBuf]) -> u64 {
    let (a, from_a) = load::<Interchange>(&files[0]);
    let (mut b, from_b) = load::<Interchange>(&files[1]);
    // The last key signs once more for a target of the first file, around two others of it.
    let mut last = b.records.last_entry().unwrap();
    let mut wrong = last.get().attestations[0];
    (wrong.source_epoch, wrong.target_epoch) = (300_496, 300_500);
    last.get_mut().attestations.push(wrong);
    let found = find_conflicts(&[("a", &a), ("b", &b)]);
    assert_eq!((found.double_votes.proven, found.surrounds.proven), (1, 2));
    assert_eq!(found.listed.len(), 3);
    from_a + from_b
}

fn search_one(file: &Path) -> u64 {
    let (document, records) = load::<Interchange>(file);
    assert_eq!(find_conflicts(&[("one", &document)]), Conflicts::default());
    records
}

fn merge_floors(files: &[PathBuf]) -> u64 {
    let (a, from_a) = load::<History>(&files[0]);
    let (b, from_b) = load::<History>(&files[1]);
    let root = a.genesis_validators_root.unwrap();
    let merged = merge(&[Input::new("a", &a), Input::new("b", &b)], root).unwrap();
    let mut out = BufWriter::new(tempfile::tempfile().unwrap());
    out.write_all(&write(&merged)).unwrap();
    out.into_inner().unwrap().sync_all().unwrap();
    from_a + from_b
}

fn merge_all(files: &[PathBuf]) -> u64 {
    let (a, from_a) = load::<Interchange>(&files[0]);
    let (b, from_b) = load::<Interchange>(&files[1]);
    let root = a.genesis_validators_root.unwrap();
    let merged = merge_complete(&[CompleteInput::new("a", &a), CompleteInput::new("b", &b)], root).unwrap();
    let mut out = tempfile::tempfile().unwrap();
    write_complete(&merged, &mut out).unwrap();
    out.sync_all().unwrap();
    let (blocks, attestations) = merged.into_interchange().counts();
    // The second half of the first file is the first half of the second: 2,000 + 2,000 - 1,000 epochs.
    assert_eq!((blocks, attestations), (5_000, 3_000_000));
    from_a + from_b
}

fn typed_reader(path: &Path) -> u64 {
    let reader = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let document: Document = serde_json::from_reader(reader).unwrap();
    document.records() as u64
}

fn typed_slice(path: &Path) -> u64 {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    let document: Document = serde_json::from_slice(&bytes).unwrap();
    document.records() as u64
}

/// User and system time of this process.
fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The highest resident set: all anonymous memory, and the pages of the program.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes * 1024
}
