//! The command line as an operator meets it: help, refusals, exit codes, files at rest. Every test runs the real
//! program in a sandbox of its own: its own home, state directory and configuration, no terminal, no host beyond
//! loopback. Accept changed output with `INSTA_UPDATE=always cargo test --test cli`, then read the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod help;
mod journal;
mod pages;
mod protection;
mod protection_databases;
mod protection_schema;
mod protection_sources;
mod refusals;
mod streams;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// A place where the program can do no harm.
pub struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    pub fn fresh() -> Sandbox {
        let directory = tempfile::Builder::new()
            .prefix("failover-cli-")
            .tempdir()
            .unwrap();
        Sandbox { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program with these arguments, in the sandbox, with nothing of the environment that runs the tests.
    pub fn command(&self, args: &[&str]) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_failover"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("FAILOVER_STATE_DIR", self.path().join("state"))
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .timeout(Duration::from_secs(60));
        command
    }

    /// What was asked, the exit code, and both streams, with the sandbox's own path taken out.
    pub fn says(&self, args: &[&str]) -> String {
        self.shown(args, self.command(args))
    }

    pub fn shown(&self, args: &[&str], mut command: assert_cmd::Command) -> String {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut shown = format!(
            "$ failover {}\nexit {}\n",
            args.join(" "),
            output.status.code().unwrap()
        );
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                let lines = text(bytes);
                shown += &format!("---- {name}\n{}\n", lines.trim_end());
            }
        }
        let shown = shown.replace(self.path().to_str().unwrap(), "[DIR]");
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    /// The exit code and stdout.
    pub fn run(&self, args: &[&str]) -> (i32, String) {
        let output = self.command(args).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), stdout)
    }
}

/// Compares with the file of that name in `tests/snapshots`.
pub fn assert_shown(name: &str, shown: &str) {
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, shown);
    });
}
