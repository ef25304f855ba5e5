//! `cargo bench --bench interchange`: how fast interchanges are read, folded, searched and merged, and in how much
//! memory. Each measurement is a process of its own, so that its peak is its own. Prints a table; what it means stands
//! in `docs/performance.md`. `-- --quick` leaves the 2.7 GB file out, `-- --runs N` sets the runs (5), `-- --remove`
//! removes the generated files at the end.
//!
//! Must never measure a small file, and never a run whose result was not checked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark"
)]

mod cases;
mod generate;
mod typed;

use std::path::{Path, PathBuf};
use std::process::Command;

use generate::{Shape, generate};

/// What one process measured.
struct Measured {
    wall_s: f64,
    cpu_s: f64,
    peak_bytes: f64,
}

struct Options {
    quick: bool,
    remove: bool,
    runs: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--case") {
        let files: Vec<PathBuf> = arguments[at + 2..].iter().map(PathBuf::from).collect();
        return cases::run(&arguments[at + 1], &files);
    }
    let runs = arguments.iter().position(|argument| argument == "--runs");
    let options = Options {
        quick: arguments.iter().any(|argument| argument == "--quick"),
        remove: arguments.iter().any(|argument| argument == "--remove"),
        runs: runs.map_or(5, |at| arguments[at + 1].parse().expect("--runs takes a number")),
    };
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let a = generate(directory, &Shape::FIRST);
    let b = generate(directory, &Shape::SECOND);
    println!(
        "| what | file | records | wall s | CPU s | MB/s per core | peak MB | of 64 B per record |\n|---|---|---|---|---|---|---|---|"
    );
    table("fold to floors", "fold", &[&a], &options);
    if !options.quick {
        let large = generate(directory, &Shape::LARGE);
        table("fold to floors", "fold", &[&large], &options);
    }
    table("keep everything", "keep", &[&a], &options);
    table(
        "keep everything, search conflicts",
        "conflicts",
        &[&a, &b],
        &options,
    );
    let disorder = generate(directory, &Shape::DISORDER);
    table("the same, one key in disorder", "one", &[&disorder], &options);
    table("merge to floors, write", "merge", &[&a, &b], &options);
    table("merge completely, write", "complete", &[&a, &b], &options);
    table(
        "serde_json, typed, buffered reader",
        "serde-reader",
        &[&a],
        &options,
    );
    table("serde_json, typed, slice", "serde-slice", &[&a], &options);
    if options.remove {
        for shape in [&Shape::FIRST, &Shape::SECOND, &Shape::LARGE, &Shape::DISORDER] {
            let _ = std::fs::remove_file(directory.join(shape.name()));
        }
    }
}

/// Runs a case and prints the line of the median run by CPU time.
fn table(title: &str, case: &str, files: &[&Generated], options: &Options) {
    let mut runs: Vec<Measured> = (0..options.runs).map(|_| in_own_process(case, files)).collect();
    runs.sort_by(|a, b| a.cpu_s.total_cmp(&b.cpu_s));
    let median = &runs[runs.len() / 2];
    let bytes: f64 = files.iter().map(|file| file.bytes as f64).sum();
    let records: f64 = files.iter().map(|file| file.records as f64).sum();
    println!(
        "| {title} | {} x {:.0} MB | {:.1} M | {:.2} | {:.2} | {:.0} | {:.1} | {:.3} |",
        files.len(),
        bytes / 1e6 / files.len() as f64,
        records / 1e6,
        median.wall_s,
        median.cpu_s,
        bytes / 1e6 / median.cpu_s,
        median.peak_bytes / 1e6,
        median.peak_bytes / (64.0 * records),
    );
}

/// A generated file.
pub struct Generated {
    path: PathBuf,
    bytes: u64,
    records: u64,
}

fn in_own_process(case: &str, files: &[&Generated]) -> Measured {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--case", case])
        .args(files.iter().map(|file| &file.path))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}: {said}{errors}");
    let numbers: Vec<f64> = said
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let [wall_s, cpu_s, peak_bytes] = numbers[..] else {
        panic!("{case}: {said}")
    };
    Measured {
        wall_s,
        cpu_s,
        peak_bytes,
    }
}
