//! Writing to stdout and stderr without dying when nobody listens, and colours. Must never panic on a closed pipe.

use std::io::{IsTerminal, Write};

use super::args::{Color, Global};

/// Text to stdout. A reader that has gone away is no reason to stop a run.
pub fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// A line to stdout.
pub fn out_line(text: &str) {
    out(&format!("{text}\n"));
}

/// A line to stderr.
pub fn err_line(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// One JSON document to stdout.
pub fn out_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    out_line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Whether to colour what goes to a stream.
pub fn coloured(global: &Global, stream: &impl IsTerminal) -> bool {
    match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            stream.is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Colours the words that say how it went; the text stays the same without colours.
pub fn paint(text: &str, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    text.lines()
        .map(|line| {
            let word = line.trim_start().split([' ', ':']).next().unwrap_or("");
            let code = match word {
                "COMPLETED" | "COVERED" | "VALID" | "ok" => "32",
                "RESTORED" | "UNCONFIRMED" | "PARKED" | "UNKNOWN" | "POSSIBLY" => "33",
                "REFUSE" | "REFUSED" | "NOT" | "INVALID" | "PROBLEM" | "SLASHABLE" => "31",
                _ => return line.to_owned(),
            };
            line.replacen(word, &format!("\u{1b}[1;{code}m{word}\u{1b}[0m"), 1)
        })
        .collect::<Vec<_>>()
        .join("\n")
}
