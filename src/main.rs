//! The program: parses, calls `cli`, returns its exit code. Must never do anything else.

fn main() -> std::process::ExitCode {
    failover::cli::main()
}
