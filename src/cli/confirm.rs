//! The typed word. Must never take anything but the whole word for a yes.

use std::io::{BufRead, IsTerminal, Write};

use super::Failure;

/// Whether there is a terminal to ask on.
pub fn possible() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(
        "there is no terminal to ask on: say --yes. Nothing was changed",
    ))
}

/// Asks for `word` on the terminal, after `question` was shown. Without a terminal `yes` is needed.
pub fn typed(word: &str, question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    possible()?;
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question}\nType {word} to go on: ").and_then(|()| stderr.flush());
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match read {
        Ok(_) if line.trim_end_matches(['\r', '\n']) == word => Ok(()),
        Ok(_) | Err(_) => Err(Failure::refused("not confirmed; nothing was changed")),
    }
}
