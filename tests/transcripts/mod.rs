//! Recorded answers of real hosts, beacon nodes and clients (`README.md` says which), read as outputs.
//! Never edits a recording; a test that needs a variation makes it from one, in its own code.
#![allow(dead_code, reason = "each test binary uses only some of these")]

use failover::transport::Output;

/// `NAME.txt` as standard output, `NAME.err` as standard error if there is one, exit status 0.
pub fn recorded(name: &str) -> Output {
    let at = format!("{}/tests/transcripts/{name}", env!("CARGO_MANIFEST_DIR"));
    let stdout = std::fs::read_to_string(format!("{at}.txt")).unwrap_or_else(|why| panic!("{at}.txt: {why}"));
    let stderr = std::fs::read_to_string(format!("{at}.err")).unwrap_or_default();
    Output {
        status: 0,
        stdout,
        stderr,
    }
}

/// What a client's source says that it prints; see the `README.md` beside it. Not a recording.
pub fn documented(name: &str, status: i32) -> Output {
    Output {
        status,
        ..recorded(name)
    }
}

/// A recording with another exit status.
pub fn ended(name: &str, status: i32) -> Output {
    Output {
        status,
        ..recorded(name)
    }
}

/// A recording in which a text, which must be there, was replaced.
pub fn varied(name: &str, from: &str, to: &str) -> Output {
    let output = recorded(name);
    assert!(output.stdout.contains(from), "{name} does not hold {from:?}");
    Output {
        stdout: output.stdout.replace(from, to),
        ..output
    }
}

/// An output made by hand.
pub fn said(stdout: &str) -> Output {
    Output {
        status: 0,
        stdout: stdout.to_string(),
        stderr: String::new(),
    }
}
