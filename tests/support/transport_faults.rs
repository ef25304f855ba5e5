//! What may break between a shell and the ssh client: the faults, and the carrier of standard output that commits them.

use russh::ChannelId;
use russh::server::Handle;
use tokio::io::AsyncReadExt;

/// What breaks on the next channel. Frames are counted per channel; frame 0 is the opening of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is cut in place of this frame's begin marker.
    CutBefore(usize),
    /// The connection is cut after this frame's first op marker.
    CutWithin(usize),
    /// From this frame on nothing is sent, and nothing is closed.
    Hang(usize),
    /// A line that belongs nowhere, after this frame's first op marker.
    Garbage(usize),
    /// This frame carries another nonce.
    ForeignNonce(usize),
    /// The machine id at the end of this frame differs.
    OtherMachine(usize),
    /// The connection is cut after so many bytes.
    CutBytes(usize),
    /// The channel ends, in good order, after so many bytes.
    EndBytes(usize),
    /// The byte at this position is another one.
    Flip(usize),
}

/// Standard output on its way, with the fault that strikes it.
pub struct Output {
    pub handle: Handle,
    pub id: ChannelId,
    pub fault: Option<Fault>,
    pub frame: usize,
    pub sent: usize,
    pub cut: Box<dyn Fn() + Send + Sync>,
}

impl Output {
    pub async fn carry(&mut self, mut stdout: tokio::process::ChildStdout) {
        let by_line = !matches!(
            self.fault,
            None | Some(Fault::CutBytes(_) | Fault::EndBytes(_) | Fault::Flip(_))
        );
        let (mut pending, mut chunk) = (Vec::new(), vec![0; 32 << 10]);
        while let Ok(read @ 1..) = stdout.read(&mut chunk).await {
            pending.extend_from_slice(&chunk[..read]);
            let whole = if by_line {
                pending.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1)
            } else {
                read
            };
            let ready: Vec<u8> = pending.drain(..whole).collect();
            let go_on = if by_line {
                self.lines(&ready).await
            } else {
                self.bytes(ready).await
            };
            if !go_on {
                return;
            }
        }
    }

    async fn lines(&mut self, ready: &[u8]) -> bool {
        for line in ready.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line).into_owned();
            let text = match self.line(text) {
                Strike::Send(text) => text,
                Strike::Cut => {
                    (self.cut)();
                    return false;
                }
                Strike::Swallow => continue,
            };
            if self.handle.data(self.id, text.into_bytes()).await.is_err() {
                return false;
            }
        }
        true
    }

    fn line(&mut self, text: String) -> Strike {
        let marker: Vec<&str> = text.trim_end().split(' ').collect();
        let kind = if marker[0] == "@fo" {
            marker.get(2).copied().unwrap_or("")
        } else {
            ""
        };
        let here = self.frame;
        if kind == "end" {
            self.frame += 1;
        }
        match self.fault {
            Some(Fault::CutBefore(at)) if at == here && kind == "begin" => Strike::Cut,
            Some(Fault::CutWithin(at)) if at == here && kind == "op" => Strike::Cut,
            Some(Fault::Hang(at)) if at <= here => Strike::Swallow,
            Some(Fault::Garbage(at)) if at == here && kind == "op" => {
                Strike::Send(format!("{text}what is this\n"))
            }
            Some(Fault::ForeignNonce(at)) if at == here && !kind.is_empty() => {
                Strike::Send(text.replace(marker[1], "0123456789abcdef0123456789abcdef"))
            }
            Some(Fault::OtherMachine(at)) if at == here && kind == "end" => {
                Strike::Send(text.replace(marker[3], "0123456789abcdef0123456789abcdef"))
            }
            _ => Strike::Send(text),
        }
    }

    async fn bytes(&mut self, mut ready: Vec<u8>) -> bool {
        let range = self.sent..self.sent + ready.len();
        self.sent = range.end;
        match self.fault {
            Some(Fault::CutBytes(at)) if range.contains(&at) => {
                (self.cut)();
                return false;
            }
            Some(Fault::EndBytes(at)) if range.contains(&at) => {
                ready.truncate(at - range.start);
                let _ = self.handle.data(self.id, ready).await;
                return false;
            }
            Some(Fault::Flip(at)) if range.contains(&at) => ready[at - range.start] ^= 1,
            _ => {}
        }
        self.handle.data(self.id, ready).await.is_ok()
    }
}

enum Strike {
    Send(String),
    Cut,
    Swallow,
}
