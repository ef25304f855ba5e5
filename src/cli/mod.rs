//! The command line: parsing, and one file per command. Exit codes are those of `docs/operating.md`. stdout carries the
//! answer (one JSON document under `--json`), stderr everything else. Must never panic on a terminal that is gone.

mod args;
mod audit;
mod confirm;
mod demo;
mod halt;
mod printing;
mod progress;
mod protection;
mod resume;
mod run;
mod runs;
mod session;
mod signals;
mod status;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use args::{Cli, Command};
use printing::{err_line, out};

use crate::protocol::Outcome;

/// Why a command ended without an outcome, and the exit code that says so.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

/// Exit codes, beside those of an outcome.
mod code {
    /// Refused, or an audit that found something.
    pub const REFUSED: u8 = 1;
    /// Usage or configuration.
    pub const USAGE: u8 = 2;
    /// Parked: safe, needs a person.
    pub const PARKED: u8 = 4;
    /// Our own mistake, or the coordinator's own files.
    pub const INTERNAL: u8 = 5;
}

impl Failure {
    fn usage(message: impl Into<String>) -> Failure {
        Failure {
            code: code::USAGE,
            message: message.into(),
        }
    }

    fn refused(message: impl Into<String>) -> Failure {
        Failure {
            code: code::REFUSED,
            message: message.into(),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure {
            code: code::INTERNAL,
            message: format!("{error:#}"),
        }
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<crate::journal::JournalError> for Failure {
    fn from(error: crate::journal::JournalError) -> Failure {
        use crate::journal::JournalError::{AmbiguousRun, Held, LiveRun, NoSuchRun};
        let code = if matches!(error, NoSuchRun { .. } | AmbiguousRun { .. }) {
            code::USAGE
        } else if matches!(error, LiveRun { .. } | Held { .. }) {
            code::REFUSED
        } else {
            code::INTERNAL
        };
        Failure {
            code,
            message: error.to_string(),
        }
    }
}

/// The exit code of an outcome.
fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Completed => 0,
        Outcome::Refused => code::REFUSED,
        Outcome::Restored => 3,
        Outcome::Parked => code::PARKED,
        Outcome::Unconfirmed => 6,
    }
}

/// Parses the arguments, runs the command, and says how it ended.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_to_stderr(cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            err_line(&format!("failover: no runtime: {error}"));
            return ExitCode::from(code::INTERNAL);
        }
    };
    let result = runtime.block_on(dispatch(cli));
    // A thread that still waits for a host must not hold the exit back.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            err_line(&format!("failover: {}", failure.message));
            ExitCode::from(failure.code)
        }
    }
}

async fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let global = &cli.global;
    match cli.command {
        None => run::run(global, cli.pair, cli.run).await,
        Some(Command::Audit(args)) => audit::audit(global, args).await,
        Some(Command::Resume(args)) => resume::resume(global, args).await,
        Some(Command::Status(args)) => status::status(global, args).await,
        Some(Command::Runs(args)) => runs::runs(global, &args),
        Some(Command::Report(args)) => runs::report(global, &args),
        Some(Command::Halt(args)) => halt::halt(global, args).await,
        Some(Command::Protection(command)) => protection::protection(global, command),
        Some(Command::Demo(args)) => demo::demo(global, args).await,
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "failover", &mut text);
            out(&String::from_utf8_lossy(&text));
            Ok(0)
        }
    }
}

fn tracing_to_stderr(verbose: u8) {
    let default = match verbose {
        0 => "error",
        1 => "failover=info",
        2 => "failover=debug",
        _ => "debug",
    };
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("FAILOVER_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}
