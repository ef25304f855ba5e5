//! The words on the wire: a batch as text for the held shell, and the strict parser of the framed reply.
//! Pure. Must never let an argument become a command, and never make an answer of anything but a whole frame:
//! right nonce, right order, one machine and one boot at both ends.
//!
//! Output is decoded lossily, line by line. A last line without its newline cannot be told from one with it, so every
//! line of `stdout` and `stderr` ends with exactly one newline, and no output at all is the empty string.

use super::{Batch, Call, Output, Reply};

/// A text that no shell argument can carry, because it holds a NUL byte: position of the call, of the argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("argument {argument} of call {call} holds a NUL byte")]
pub struct NulByte {
    /// Position of the call in its batch.
    pub call: usize,
    /// Position of the argument in its call.
    pub argument: usize,
}

/// The lines that ask for a batch. `until` is the host's uptime in hundredths of a second after which the host must
/// not begin a call any more: a batch that the network delivers late then does nothing.
pub fn encode(nonce: &str, until: Option<u64>, batch: &Batch) -> Result<String, NulByte> {
    let mut text = format!("fo_begin {nonce}");
    if let Some(until) = until {
        text.push_str(&format!(" {until}"));
    }
    text.push('\n');
    for (call, Call { op, args }) in batch.iter().enumerate() {
        text.push_str("fo_op ");
        quote_into(&mut text, op.name());
        for (argument, arg) in args.iter().enumerate() {
            if arg.contains('\0') {
                return Err(NulByte { call, argument });
            }
            text.push(' ');
            quote_into(&mut text, arg);
        }
        text.push('\n');
    }
    text.push_str("fo_end\n");
    Ok(text)
}

/// One word for a POSIX shell, whatever it holds (but a NUL byte).
pub fn quote(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 2);
    quote_into(&mut text, word);
    text
}

fn quote_into(text: &mut String, word: &str) {
    text.push('\'');
    for (n, part) in word.split('\'').enumerate() {
        if n > 0 {
            text.push_str(r"'\''");
        }
        text.push_str(part);
    }
    text.push('\'');
}

/// Reads one reply, line by line.
#[derive(Debug)]
pub struct FrameParser {
    nonce: String,
    calls: usize,
    at: At,
    machine_id: String,
    boot_id: String,
    outputs: Vec<Output>,
}

/// Where in the frame the parser stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the begin marker: banners and greetings are skipped.
    Before,
    /// Inside the frame, in no call.
    Between,
    /// Inside the output of the last call in `outputs`.
    InCall,
    /// After the end marker.
    Done,
}

impl FrameParser {
    /// A parser for the reply to a batch of so many calls.
    pub fn new(nonce: &str, calls: usize) -> FrameParser {
        FrameParser {
            nonce: nonce.to_owned(),
            calls,
            at: At::Before,
            machine_id: String::new(),
            boot_id: String::new(),
            outputs: Vec::with_capacity(calls),
        }
    }

    /// Takes the next line, without its newline. The reply, when this line completes it; why not, when the line
    /// cannot stand where it stands. After either the parser is spent.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, String> {
        if let Some(marker) = line.strip_prefix(b"@fo ") {
            return self.marker(&String::from_utf8_lossy(marker));
        }
        match self.at {
            At::Before => Ok(None),
            At::Done => Err("a line after the end marker".to_owned()),
            At::Between if line.is_empty() => Ok(None),
            At::Between => Err(stray("between two calls", line)),
            At::InCall => self.output(line),
        }
    }

    /// Whether the begin marker has been read.
    pub fn begun(&self) -> bool {
        self.at != At::Before
    }

    fn output(&mut self, line: &[u8]) -> Result<Option<Reply>, String> {
        let Some(output) = self.outputs.last_mut() else {
            return Err("output without a call".to_owned());
        };
        if line.is_empty() {
            return Ok(None);
        }
        match line.split_at_checked(2) {
            Some((b"o ", rest)) => push_line(&mut output.stdout, rest),
            Some((b"e ", rest)) => push_line(&mut output.stderr, rest),
            Some((b"x ", rest)) => {
                output.status = status(rest).ok_or_else(|| stray("in place of an exit status", line))?;
                self.at = At::Between;
            }
            Some(_) | None => return Err(stray("inside the output of a call", line)),
        }
        Ok(None)
    }

    fn marker(&mut self, marker: &str) -> Result<Option<Reply>, String> {
        let words: Vec<&str> = marker.split(' ').collect();
        if words.first() != Some(&self.nonce.as_str()) {
            return Err("a marker with a foreign nonce".to_owned());
        }
        match (self.at, words.get(1..).unwrap_or_default()) {
            (At::Before, ["begin", machine, boot]) => self.begin(machine, boot),
            (At::Between, ["op", number]) => self.op(number),
            (At::Between, ["end", machine, boot]) => self.end(machine, boot),
            (at, _) => Err(format!(
                "the marker `{}` cannot stand here ({at:?})",
                shown(marker.as_bytes())
            )),
        }
    }

    fn begin(&mut self, machine: &str, boot: &str) -> Result<Option<Reply>, String> {
        if !is_machine_id(machine) {
            return Err(format!(
                "no machine id at the begin marker: `{}`",
                shown(machine.as_bytes())
            ));
        }
        if !is_boot_id(boot) {
            return Err(format!(
                "no boot id at the begin marker: `{}`",
                shown(boot.as_bytes())
            ));
        }
        (self.machine_id, self.boot_id, self.at) = (machine.to_owned(), boot.to_owned(), At::Between);
        Ok(None)
    }

    fn op(&mut self, number: &str) -> Result<Option<Reply>, String> {
        let expected = self.outputs.len();
        if expected >= self.calls || number != expected.to_string() {
            return Err(format!(
                "call `{}` was answered where {expected} of {} was due",
                number, self.calls
            ));
        }
        self.outputs.push(Output::default());
        self.at = At::InCall;
        Ok(None)
    }

    fn end(&mut self, machine: &str, boot: &str) -> Result<Option<Reply>, String> {
        if self.outputs.len() != self.calls {
            return Err(format!(
                "{} calls were answered, {} were asked",
                self.outputs.len(),
                self.calls
            ));
        }
        if machine != self.machine_id || boot != self.boot_id {
            return Err("machine id or boot id differ between begin and end".to_owned());
        }
        self.at = At::Done;
        Ok(Some(Reply {
            machine_id: machine.to_owned(),
            boot_id: boot.to_owned(),
            outputs: std::mem::take(&mut self.outputs),
        }))
    }
}

fn push_line(text: &mut String, line: &[u8]) {
    text.push_str(&String::from_utf8_lossy(line));
    text.push('\n');
}

fn status(digits: &[u8]) -> Option<i32> {
    let digits = std::str::from_utf8(digits).ok()?;
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|status| plain && (0..=255).contains(status))
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_machine_id(text: &str) -> bool {
    text.len() == 32 && is_hex(text)
}

fn is_boot_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| is_hex(part))
}

fn stray(place: &str, line: &[u8]) -> String {
    format!("a stray line {place}: `{}`", shown(line))
}

/// The beginning of a line for a message: printable, short.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars()
        .take(80)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
