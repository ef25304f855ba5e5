//! The answers of a simulated host to the operations that only look, in the form of `remote.sh`.
//! Nothing here changes the host, but for process ids that are used up.

use std::time::Duration;

use super::files::base64_lines;
use super::unit::{Active, Unit};
use super::{Around, DATA_DIR, DATABASE, STATE, SimHost, done, failed};
use crate::demo::chain::{bare_hex_from, sha256_hex};
use crate::transport::Output;

impl SimHost {
    /// What the host's own clock shows, unix time.
    pub fn clock(&self, now: Duration) -> Duration {
        let ahead = Duration::from_millis(self.clock_ahead_ms.unsigned_abs());
        if self.clock_ahead_ms < 0 {
            now.saturating_sub(ahead)
        } else {
            now + ahead
        }
    }

    pub(super) fn identity(&self, now: Duration) -> Output {
        let ntp = if self.quirks.ntp_lost { "no" } else { "yes" };
        done(format!(
            "uid=0\ntime={}\nhostname={}\nntp={ntp}\n",
            stamp(self.clock(now)),
            self.name
        ))
    }

    pub(super) fn show_unit(&self, name: &str) -> Output {
        if !self.unit.is(name) {
            return done(Unit::show_missing(name));
        }
        let label = format!("invocation/{}/{}", self.name, self.unit.starts);
        let pid = self
            .process
            .as_ref()
            .filter(|process| process.in_unit)
            .map(|process| process.pid);
        done(self.unit.show(&bare_hex_from(self.seed, &label, 16), pid))
    }

    pub(super) fn bar_state(&self, unit: &str, lock: &str) -> Output {
        let identity = self
            .files
            .identity(lock)
            .map_or(String::new(), |id| format!("lock.id={id}\n"));
        done(self.files.show("lock", lock) + &identity + &self.files.show("gate", &Unit::gate_path(unit)))
    }

    pub(super) fn papers(&self) -> String {
        self.files.show("claim", &format!("{STATE}/claim.json"))
            + &self.files.show("generation", &format!("{STATE}/generation.json"))
    }

    pub(super) fn processes(&mut self, directory: &str) -> Output {
        let shell = self.new_pid();
        let mut running = vec![(shell, "/usr/bin/dash", "sh".to_owned())];
        if !self.quirks.hidepid {
            running.push((1, "/usr/lib/systemd/systemd", "/sbin/init".to_owned()));
            running.push((
                412,
                "/usr/sbin/sshd",
                "sshd: /usr/sbin/sshd -D [listener]".to_owned(),
            ));
            if let Some(process) = &self.process {
                running.push((process.pid, "/usr/bin/node", self.unit.argv.join(" ")));
            }
        }
        let mut out = format!("uid=0\nself={shell}\n");
        for (pid, program, _) in &running {
            out.push_str(&format!("exe.{pid}={program}\n"));
        }
        for (pid, _, command) in &running {
            out.push_str(&format!("cmd.{pid}={command} \n"));
        }
        let covers = |path: &str| path == directory || path.starts_with(&format!("{directory}/"));
        if let Some(process) = &self.process
            && !self.quirks.hidepid
            && !directory.is_empty()
            && (covers(DATABASE) || covers(DATA_DIR))
        {
            out.push_str(&format!("open={}\n", process.pid));
        }
        out.push_str("listed=yes\n");
        done(out)
    }

    pub(super) fn disk(&self, directory: &str) -> Output {
        let used = if directory == DATABASE || directory == DATA_DIR {
            self.database_bytes().len().to_string()
        } else if self.files.exists(directory) {
            self.files
                .below(directory)
                .iter()
                .map(|(_, content)| content.len())
                .sum::<usize>()
                .to_string()
        } else {
            "absent".to_owned()
        };
        let free = self.disk_free;
        let writable = if self.quirks.read_only { "no" } else { "yes" };
        done(format!(
            "free_bytes={free}\nstate_free_bytes={free}\nused_bytes={used}\nwritable={writable}\n"
        ))
    }

    pub(super) fn get(&self, path: &str, limit: &str) -> Output {
        let Some(content) = self.files.read(path) else {
            return failed(2, format!("sh: 1: cannot open {path}: No such file\n"));
        };
        let mut out = format!("bytes={}\nsha256={}\n", content.len(), sha256_hex(content));
        if limit.parse().is_ok_and(|limit: usize| content.len() <= limit) {
            out.push_str(&base64_lines(content));
        }
        done(out)
    }

    /// One HTTP request as curl makes it: body, newline, status code; 7 when nothing listens.
    pub(super) fn http(&self, around: Around<'_>, method: &str, url: &str, body: &str) -> Output {
        let path = path_of(url);
        let answer = match path.split('?').next().unwrap_or_default() {
            "/metrics" => self.metrics().map(|text| (200, text)),
            "/eth/v1/keystores" => self.keystores(around),
            _ => self.beacon.http(around, method, path, body),
        };
        match answer {
            Some((status, text)) => done(format!("{text}\n{status}")),
            None => Output {
                status: 7,
                stdout: "\n000".to_owned(),
                stderr: "curl: (7) Failed to connect: Couldn't connect to server\n".to_owned(),
            },
        }
    }

    /// The validator's metrics, while it runs.
    pub fn metrics(&self) -> Option<String> {
        let process = self.process.as_ref()?;
        Some(format!(
            "# HELP vc_published_attestations_total Total published attestations\n\
             # TYPE vc_published_attestations_total counter\n\
             vc_published_attestations_total {}\n\
             # HELP vc_block_published_total Total published blocks\n\
             # TYPE vc_block_published_total counter\n\
             vc_block_published_total {}\n",
            process.attestations, process.blocks
        ))
    }

    fn keystores(&self, around: Around<'_>) -> Option<(u16, String)> {
        self.process.as_ref()?;
        let keys: Vec<serde_json::Value> = around.chain.keys.iter().map(|key| keystore(key)).collect();
        Some((200, serde_json::json!({ "data": keys }).to_string()))
    }

    pub(super) fn await_metric(
        &self,
        now: Duration,
        url: &str,
        metric: &str,
        base: &str,
        unit: &str,
    ) -> Output {
        let metrics = if path_of(url).starts_with("/metrics") {
            self.metrics()
        } else {
            None
        };
        let value = metrics.as_deref().and_then(|text| sum_of(text, metric));
        match (value, base.parse::<u64>()) {
            (Some(value), Ok(base)) if value > base => {
                done(format!("seen={value}\ntime={}\n", stamp(self.clock(now))))
            }
            (_, Ok(_)) => self.not_seen(unit),
            (_, Err(_)) => failed(2, format!("sh: 1: [: Illegal number: {base}\n")),
        }
    }

    /// `seen=dead` when the unit rests, `seen=no` while it may still come.
    fn not_seen(&self, unit: &str) -> Output {
        let rests = match self.unit.active {
            Active::Inactive | Active::Failed => true,
            Active::Active | Active::AutoRestart(_) => false,
        };
        // A unit that is not there is inactive, too.
        let dead = !unit.is_empty() && (rests || !self.unit.is(unit));
        done(if dead { "seen=dead\n" } else { "seen=no\n" })
    }

    pub(super) fn await_head(&self, around: Around<'_>, slot: &str) -> Output {
        let Ok(asked) = slot.parse::<u64>() else {
            return failed(2, format!("sh: 1: [: Illegal number: {slot}\n"));
        };
        match self.beacon.head(around) {
            Some(head) if head >= asked => done(format!("head={head}\n")),
            Some(_) | None => done("head=no\n"),
        }
    }

    pub(super) fn await_journal(&self, unit: &str, since: &str, text: &str) -> Output {
        let since = Duration::from_secs_f64(since.parse::<f64>().unwrap_or(0.0).max(0.0));
        let hit = self
            .journal
            .iter()
            .find(|(at, line)| *at >= since && line.contains(text));
        match hit {
            Some((at, _)) if self.unit.is(unit) => done(format!(
                "seen=yes\ntime={}.{:06}\n",
                at.as_secs(),
                at.subsec_micros()
            )),
            Some(_) | None => self.not_seen(unit),
        }
    }
}

fn keystore(key: &str) -> serde_json::Value {
    serde_json::json!({ "validating_pubkey": key, "derivation_path": "", "readonly": false })
}

/// `date +%s.%N`.
fn stamp(unix: Duration) -> String {
    format!("{}.{:09}", unix.as_secs(), unix.subsec_nanos())
}

/// The path and query of a URL.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/")
}

/// The sum of a counter over its labels, as the script's awk forms it.
fn sum_of(metrics: &str, name: &str) -> Option<u64> {
    let mut sum = None;
    for line in metrics.lines() {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        if series == name || series.starts_with(&format!("{name}{{")) {
            sum = Some(sum.unwrap_or(0) + value.parse::<u64>().unwrap_or(0));
        }
    }
    sum
}
