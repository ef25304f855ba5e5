//! An answer as bytes, damaged on its way, and what the production parser makes of it. Must never decide by itself what a
//! damaged answer is worth.

use super::plan::{Dice, Fate};
use crate::demo::ssh::framed;
use crate::transport::frame::FrameParser;
use crate::transport::{ErrorKind, Reply};

const NONCE: &str = "5a3e";
const EARLIER: &str = "91c7";

/// What other programs print into a shell's output.
const NOISE: [&str; 5] = [
    "Broadcast message from root@val-a: The system will reboot now!",
    "\u{0}\u{0}\u{7f}ELF",
    "sh: 1: Syntax error: Unterminated quoted string",
    "x 0",
    "@fo 91c7 end 00000000000000000000000000000000 00000000-0000-0000-0000-000000000000",
];

/// What the parser reads of the answer after this has happened to it, or why it reads nothing.
pub(super) fn damaged(reply: Reply, fate: &Fate) -> Result<Reply, ErrorKind> {
    let bytes = match fate {
        Fate::Garble => return Err(ErrorKind::Garbled),
        Fate::Cut(thousandths) => {
            let mut bytes = text(&reply, NONCE).into_bytes();
            bytes.truncate(bytes.len() * usize::from(*thousandths) / 1000);
            bytes
        }
        Fate::Noise(number) => noisy(&text(&reply, NONCE), &mut Dice(*number)).into_bytes(),
        Fate::Stale => text(&reply, EARLIER).into_bytes(),
        Fate::Deliver
        | Fate::LoseRequest
        | Fate::LoseReply
        | Fate::SwallowRequest
        | Fate::SwallowReply
        | Fate::Late(_)
        | Fate::Delay(_)
        | Fate::Refuse
        | Fate::Hang => return Ok(reply),
    };
    let mut parser = FrameParser::new(NONCE, reply.outputs.len());
    // What is behind the last newline is no line.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    for line in bytes[..whole].split(|byte| *byte == b'\n') {
        match parser.line(line) {
            Ok(Some(read)) => return Ok(read),
            Ok(None) => {}
            Err(_) => return Err(ErrorKind::Garbled),
        }
    }
    Err(ErrorKind::Lost)
}

/// The frame of a reply under a nonce.
fn text(reply: &Reply, nonce: &str) -> String {
    let (machine, boot) = (&reply.machine_id, &reply.boot_id);
    let mut text = format!("\n@fo {nonce} begin {machine} {boot}\n");
    for (number, output) in reply.outputs.iter().enumerate() {
        text.push_str(&format!("\n@fo {nonce} op {number}\n"));
        text.push_str(&framed(output));
    }
    text + &format!("\n@fo {nonce} end {machine} {boot}\n")
}

/// One to three lines of something else, anywhere, in the middle of a line too.
fn noisy(text: &str, dice: &mut Dice) -> String {
    let mut text = text.to_owned();
    for _ in 0..=dice.below(3) {
        let mut at = usize::try_from(dice.below(text.len() as u64 + 1)).unwrap_or(0);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let noise = NOISE[usize::try_from(dice.below(NOISE.len() as u64)).unwrap_or(0)];
        text.insert_str(at, &format!("{noise}\n"));
    }
    text
}
