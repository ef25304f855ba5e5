//! The held shell of a simulated host: skips the text of `remote.sh` (or `fetch.sh`), then reads its commands as a
//! POSIX shell would read them and prints the frame exactly as the script does. Must never hand anything to a real
//! shell.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::demo::chain::sha256_hex;
use crate::demo::world::{When, World};
use crate::transport::{Broken, Call, Op, Output};

/// The last line of `remote.sh`.
const END_OF_SCRIPT: &str = "# fo: end of the script";

/// What follows a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The next one.
    Continue,
    /// The shell ends with this status.
    Exit(u32),
    /// The host is off or cut off, or the coordinator is to be stopped here: no answer will come.
    Stalled,
}

/// One shell.
pub struct Shell {
    world: Arc<World>,
    position: usize,
    boot: String,
    in_script: bool,
    nonce: String,
    until: Option<u64>,
    broken: Broken,
    asked: Vec<Op>,
    answered: usize,
    output: Vec<u8>,
}

impl Shell {
    /// A shell on the host at a position.
    pub fn new(world: Arc<World>, position: usize) -> Shell {
        let boot = world
            .with_host(position, |host, _| host.boot_id())
            .unwrap_or_default();
        Shell {
            world,
            position,
            boot,
            in_script: true,
            nonce: String::new(),
            until: None,
            broken: Broken::No,
            asked: Vec::new(),
            answered: 0,
            output: Vec::new(),
        }
    }

    /// What was printed since it was last taken.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Reads one command and carries it out.
    pub async fn next(&mut self, lines: &mut (impl AsyncBufRead + Unpin)) -> Step {
        let Some(mut text) = line(lines).await else {
            return Step::Exit(0);
        };
        if self.in_script && !text.starts_with("fo_fetch ") {
            self.in_script = text.trim_end() != END_OF_SCRIPT;
            return Step::Continue;
        }
        // A quoted argument may go on over lines; the words are complete when the quotes are.
        let words = loop {
            if let Some(words) = shlex::split(&text) {
                break words;
            }
            match line(lines).await {
                Some(more) => text.push_str(&more),
                None => return Step::Exit(2),
            }
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => Step::Continue,
            ["exit", ..] => Step::Exit(0),
            ["fo_begin", nonce, rest @ ..] => self.begin(nonce, rest.first().copied()).await,
            ["fo_op", name, args @ ..] => self.op(name, args).await,
            ["fo_end"] => self.end().await,
            ["fo_fetch", nonce, path] => self.fetched(nonce, path).await,
            [unknown, ..] => {
                self.print(&format!("sh: {unknown}: not found\n"));
                Step::Exit(127)
            }
        }
    }

    /// Waits until the host has booted again, which ends every shell of the boot before.
    pub async fn until_another_boot(&self) {
        let same = || {
            self.world
                .with_host(self.position, |host, _| host.boot_id() == self.boot)
                .unwrap_or(false)
        };
        while same() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn print(&mut self, text: &str) {
        self.output.extend_from_slice(text.as_bytes());
    }

    async fn begin(&mut self, nonce: &str, until: Option<&str>) -> Step {
        if !self.world.passes(self.position, When::Before, &[]).await {
            return Step::Stalled;
        }
        self.nonce = nonce.to_owned();
        self.broken = Broken::No;
        self.until = until.and_then(|until| until.parse().ok());
        self.asked.clear();
        self.answered = 0;
        self.mark("begin")
    }

    async fn end(&mut self) -> Step {
        if !self.world.passes(self.position, When::After, &self.asked).await {
            return Step::Stalled;
        }
        self.mark("end")
    }

    /// The first and the last line of a frame.
    fn mark(&mut self, which: &str) -> Step {
        let answers = self.world.with_host(self.position, |host, _| {
            host.answers().then(|| (host.machine_id.clone(), host.boot_id()))
        });
        match answers.flatten() {
            Some((machine, boot)) if boot == self.boot => {
                let nonce = &self.nonce;
                let marker = format!("\n@fo {nonce} {which} {machine} {boot}\n");
                self.print(&marker);
                Step::Continue
            }
            Some(_) => Step::Exit(255),
            None => Step::Stalled,
        }
    }

    async fn op(&mut self, name: &str, args: &[&str]) -> Step {
        let marker = format!("\n@fo {} op {}\n", self.nonce, self.answered);
        self.print(&marker);
        self.answered += 1;
        let uptime = self
            .world
            .with_host(self.position, |host, now| host.uptime_cs(now))
            .unwrap_or_default();
        if self.until.is_some_and(|until| uptime > until) {
            self.print("e not begun: the deadline of the question had passed on the host\nx 124\n");
            return Step::Continue;
        }
        let answer = match Op::named(name) {
            Some(op) => {
                self.asked.push(op);
                let output = self
                    .world
                    .perform_unless(self.broken, self.position, &Call::new(op, args))
                    .await;
                if output.as_ref().is_some_and(|output| output.status != 0) {
                    self.broken = self.broken.max(op.breaks());
                }
                output
            }
            None if name == "uptime" => Some(Output {
                stdout: format!("{uptime}\n"),
                ..Output::default()
            }),
            None => Some(Output {
                status: 127,
                stderr: format!("sh: fo_{name}: not found\n"),
                ..Output::default()
            }),
        };
        match answer {
            Some(output) => {
                self.print(&framed(&output));
                Step::Continue
            }
            None => Step::Stalled,
        }
    }

    async fn fetched(&mut self, nonce: &str, path: &str) -> Step {
        if !self.world.passes(self.position, When::Before, &[]).await {
            return Step::Stalled;
        }
        let step = self.fetch(nonce, path);
        if !self.world.passes(self.position, When::After, &[]).await {
            self.output.clear();
            return Step::Stalled;
        }
        step
    }

    fn fetch(&mut self, nonce: &str, path: &str) -> Step {
        let found = self.world.with_host(self.position, |host, _| {
            host.answers()
                .then(|| (host.fetchable(path), host.files.exists(path)))
        });
        match found.flatten() {
            None => Step::Stalled,
            Some((Some(content), _)) => {
                self.print(&format!(
                    "\n@fo {nonce} file {} {}\n",
                    content.len(),
                    sha256_hex(&content)
                ));
                self.output.extend_from_slice(&content);
                self.print(&format!("@fo {nonce} sent\n"));
                Step::Continue
            }
            Some((None, exists)) => {
                let why = if exists {
                    "not a regular file"
                } else {
                    "no such file, or not visible"
                };
                self.print(&format!("\n@fo {nonce} none {why}\n"));
                Step::Exit(1)
            }
        }
    }
}

/// The next line with its newline; none at the end of input.
async fn line(lines: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    match lines.read_until(b'\n', &mut bytes).await {
        Ok(1..) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Ok(0) | Err(_) => None,
    }
}

/// What one call printed, as the script frames it.
pub(in crate::demo) fn framed(output: &Output) -> String {
    let mut text = prefixed("o ", &output.stdout);
    let words = output.stderr.strip_suffix('\n').unwrap_or(&output.stderr);
    if !words.is_empty() {
        text.push('\n');
        text.push_str(&prefixed("e ", words));
        text.push('\n');
    }
    text.push_str(&format!("\nx {}\n", output.status));
    text
}

/// As `sed 's/^/PREFIX/'` prints: a last line without its newline stays without.
fn prefixed(prefix: &str, text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.fold(String::new(), |out, line| out + prefix + line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::world::WorldConfig;
    use crate::transport::REMOTE_SH;
    use crate::transport::frame::{FrameParser, encode};

    async fn printed(text: &str, world: &Arc<World>) -> (Vec<u8>, Step) {
        let mut lines = text.as_bytes();
        let mut shell = Shell::new(Arc::clone(world), 0);
        loop {
            let step = shell.next(&mut lines).await;
            if step != Step::Continue {
                return (shell.take_output(), step);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_with_hostile_arguments_comes_back_as_a_whole_frame() {
        let world = Arc::new(World::new(&WorldConfig::default()).unwrap());
        let claim = "{\"run\":\"r1\",\n# 'not' a comment\n\"x\":\"$(id) \\ \"}";
        let batch = vec![
            Call::new(Op::Claim, ["r1", claim]),
            Call::new(Op::Http, ["GET", "http://h:1/eth/v1/node/health", "", "2"]),
            Call::new(Op::Run, ["", "5", "nothing"]),
        ];
        let text = format!(
            "{REMOTE_SH}\n{}exit\n",
            encode("abc", Some(u64::MAX), &batch).unwrap()
        );
        let (output, step) = printed(&text, &world).await;
        assert_eq!(step, Step::Exit(0));
        let mut parser = FrameParser::new("abc", 3);
        let replies = output
            .split(|byte| *byte == b'\n')
            .find_map(|line| parser.line(line).unwrap());
        let outputs = replies.unwrap().outputs;
        assert!(outputs[0].stdout.starts_with("claim=present\nclaim.base64="));
        assert_eq!((outputs[1].stdout.as_str(), outputs[2].status), ("\n200\n", 127));
        let claimed = world
            .with_host(0, |host, _| host.files.text("/var/lib/failover/claim.json"))
            .unwrap();
        assert_eq!(claimed.unwrap(), format!("{claim}\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_batch_does_nothing() {
        let world = Arc::new(World::new(&WorldConfig::default()).unwrap());
        let batch = vec![Call::new(Op::Stop, ["validator.service", "5"])];
        let text = format!("{REMOTE_SH}\n{}", encode("abc", Some(1), &batch).unwrap());
        let (output, _) = printed(&text, &world).await;
        assert!(String::from_utf8(output).unwrap().contains("e not begun"));
        assert!(world.with_host(0, |host, _| host.process.is_some()).unwrap());
    }
}
