//! Gathers the evidence for one judgement: one batch per host, both side by side, one round trip. What a scope does
//! not ask is unknown, and says so. Must never change anything: exports for looking run on a private copy.

use std::collections::BTreeSet;

use super::hosts::{Host, Hosts, Patience, Timed};
use super::install::client;
use super::protection::{ExportCalls, Exported, export_calls, history, read_export};
use crate::beacon;
use crate::clients::Install;
use crate::config::Plan;
use crate::guards::{
    Evidence, HostEvidence, Identity, Processes, Protection, Role, RunEvidence, Seen, keys_of,
};
use crate::protection::PublicKey;
use crate::services::host::{read_disk, read_identity, read_papers};
use crate::services::processes::read_processes;
use crate::services::systemd::{read_bar, read_unit};
use crate::transport::{Batch, Call, Op, Output, Reply, TransportError};

/// Seconds for one request to a beacon node on its own host.
const HTTP_S: u64 = 5;

/// What is asked beside the readings of unit, bar and processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything, with a dry export of the backup; for preflight and audit.
    Full,
    /// Everything that can have changed since; for the judgement before the start.
    Start,
}

/// A host of which nothing is known yet, and why.
pub fn blank(name: &str, why: &str) -> HostEvidence {
    let unknown = || why.to_owned();
    HostEvidence {
        name: name.to_owned(),
        identity: Seen::Unknown(unknown()),
        unit: Seen::Unknown(unknown()),
        bar: Seen::Unknown(unknown()),
        processes: Seen::Unknown(unknown()),
        papers: Seen::Unknown(unknown()),
        disk: Seen::Unknown(unknown()),
        beacon: Seen::Unknown(unknown()),
        execution: Seen::Unknown(unknown()),
        fingerprint: Seen::Unknown(unknown()),
        hand_over: Seen::Unknown(unknown()),
        protection: Seen::Unknown(unknown()),
    }
}

/// The calls of one reading: is the validator stopped, and does the bar stand?
pub fn reading_calls(install: &Install) -> Batch {
    vec![
        Call::new(Op::Identity, [""; 0]),
        Call::new(Op::Unit, [&install.unit]),
        Call::new(Op::BarState, [&install.unit, &install.lock_file]),
        Call::new(Op::Processes, [&install.database]),
    ]
}

/// How many outputs [`reading_calls`] brings.
const READING: usize = 4;

/// Reads the outputs of [`reading_calls`] that begin at `first`. The clock is not judged by a reading.
pub fn read_reading(host: &Host, reply: &Reply, first: usize) -> HostEvidence {
    let mut seen = blank(host.name(), "not asked in this reading");
    let install = match &host.install {
        Ok(install) => install,
        Err(why) => return blank(host.name(), why),
    };
    let Some(outputs) = reply.outputs.get(first..first + READING) else {
        return blank(host.name(), "the answer ends too early");
    };
    let [identity, unit, bar, processes] = outputs else {
        return seen;
    };
    seen.identity = Seen::from_result(read_identity(
        &reply.machine_id,
        &reply.boot_id,
        identity,
        0.0,
        0.0,
    ));
    seen.unit = Seen::from_result(read_unit(&install.unit, unit));
    seen.bar = Seen::from_result(read_bar(&install.lock_file, bar));
    seen.processes = Seen::from_result(client(install).and_then(|client| {
        let found = read_processes(processes, &(client.signature)(install))?;
        Ok(Processes {
            must_hold: client.keeps_open,
            ..found
        })
    }));
    seen.hand_over = Seen::from_result(client(install).map(|client| client.offered(host.role)));
    seen
}

/// Everything for one judgement, in one round trip. `run` is what the run knows of itself.
pub async fn evidence(
    hosts: &Hosts,
    plan: &Plan,
    scope: Scope,
    run: RunEvidence,
    patience: Patience,
) -> Evidence {
    let work = run
        .id
        .clone()
        .unwrap_or_else(|| format!("look-{}", std::process::id()));
    let keys: BTreeSet<PublicKey> = match &run.merged {
        Some(merged) if plan.policy.keys.is_empty() => merged.keys().cloned().collect(),
        _ => plan.policy.keys.clone(),
    };
    let mut a = Questions::new(&hosts.primary, plan, None, &BTreeSet::new());
    if scope == Scope::Start {
        a.ask_fingerprint(&hosts.primary);
    }
    let export = match (scope, hosts.backup.installed()) {
        (Scope::Full, Ok(install)) => Some(export_calls(install, &work, true, plan.timeouts.client_s)),
        (Scope::Full, Err(_)) | (Scope::Start, _) => None,
    };
    let b = Questions::new(&hosts.backup, plan, export, &keys);
    let limit_s = if scope == Scope::Full {
        plan.timeouts.client_s
    } else {
        10
    };
    let (reply_a, reply_b) = hosts.ask_both_timed(&a.batch, &b.batch, limit_s, patience).await;
    let primary = a.read(&hosts.primary, reply_a);
    let mut backup = b.read(&hosts.backup, reply_b);
    if scope == Scope::Start {
        backup.protection = Seen::Unknown("not exported in this judgement; it was read back".to_owned());
    }
    let mut evidence = Evidence {
        primary,
        backup,
        policy: plan.policy.clone(),
        run,
    };
    if scope == Scope::Full && keys.is_empty() {
        ask_for_validators(hosts, &mut evidence, patience).await;
    }
    evidence
}

/// The chain's word on keys that were only learnt from the backup's own database.
async fn ask_for_validators(hosts: &Hosts, evidence: &mut Evidence, patience: Patience) {
    let keys = keys_of(evidence);
    let (Ok(install), Seen::Known(node)) = (hosts.backup.installed(), &mut evidence.backup.beacon) else {
        return;
    };
    let Ok(client) = client(install) else { return };
    if keys.is_empty() {
        return;
    }
    let prefix = client.api_prefixes.first().copied().unwrap_or("/eth/v1");
    let Some(url) = install.beacon_urls.first() else {
        return;
    };
    let calls = beacon::validators_questions(url, prefix, &keys, HTTP_S);
    let reply = hosts.ask(Role::Backup, &calls, 10, patience).await;
    node.validators = Seen::from_result(
        reply
            .map_err(|error| error.to_string())
            .and_then(|reply| beacon::read_validators(&keys, &reply.outputs)),
    );
}

/// A batch, and where in it the answers lie.
struct Questions {
    batch: Batch,
    beacon: Option<(String, usize, usize)>,
    validators: Option<(usize, BTreeSet<PublicKey>)>,
    export: Option<(Result<ExportCalls, String>, usize)>,
    fingerprint: Option<usize>,
    asks_execution: bool,
}

impl Questions {
    fn new(
        host: &Host,
        plan: &Plan,
        export: Option<Result<ExportCalls, String>>,
        keys: &BTreeSet<PublicKey>,
    ) -> Questions {
        let mut questions = Questions {
            batch: Vec::new(),
            beacon: None,
            validators: None,
            export: None,
            fingerprint: None,
            asks_execution: false,
        };
        let batch = &mut questions.batch;
        let Ok(install) = host.installed() else {
            // Who it is and who holds it can be told of every host.
            batch.push(Call::new(Op::Identity, [""; 0]));
            batch.push(Call::new(Op::Papers, [""; 0]));
            batch.push(Call::new(Op::Identity, [""; 0]));
            return questions;
        };
        batch.extend(reading_calls(install));
        batch.push(Call::new(Op::Papers, [""; 0]));
        batch.push(Call::new(Op::Disk, [&install.database]));
        if let (Some(url), Ok(client)) = (install.beacon_urls.first(), client(install)) {
            let prefix = client.api_prefixes.first().copied().unwrap_or("/eth/v1");
            let execution = plan.execution_url.as_deref();
            let calls = beacon::questions(url, prefix, execution, HTTP_S);
            questions.beacon = Some((url.clone(), batch.len(), calls.len()));
            questions.asks_execution = execution.is_some();
            batch.extend(calls);
            if !keys.is_empty() {
                questions.validators = Some((batch.len(), keys.clone()));
                batch.extend(beacon::validators_questions(url, prefix, keys, HTTP_S));
            }
        }
        if let Some(export) = export {
            let first = batch.len();
            if let Ok(calls) = &export {
                batch.extend(calls.calls.clone());
                batch.push(Call::new(Op::ClearWork, [calls.id()]));
            }
            questions.export = Some((export, first));
        }
        batch.push(Call::new(Op::Identity, [""; 0]));
        questions
    }

    /// Asked last but for the clock, so that everything before it has been read when it is taken.
    fn ask_fingerprint(&mut self, host: &Host) {
        if let Ok(install) = host.installed() {
            let at = self.batch.len().saturating_sub(1);
            self.batch.insert(at, fingerprint_call(install));
            self.fingerprint = Some(at);
        }
    }

    fn read(&self, host: &Host, answer: Result<Timed, TransportError>) -> HostEvidence {
        let Timed {
            reply,
            sent_s,
            received_s,
        } = match answer {
            Ok(answer) => answer,
            Err(error) => return blank(host.name(), &error.to_string()),
        };
        let output = |at: usize| {
            reply
                .outputs
                .get(at)
                .ok_or_else(|| "the answer ends too early".to_owned())
        };
        if let Err(why) = &host.install {
            let mut seen = blank(host.name(), why);
            seen.identity = clock(&reply, sent_s, received_s);
            seen.papers = Seen::from_result(output(1).and_then(read_papers));
            return seen;
        }
        let mut seen = read_reading(host, &reply, 0);
        seen.identity = clock(&reply, sent_s, received_s);
        seen.papers = Seen::from_result(output(READING).and_then(read_papers));
        seen.disk = Seen::from_result(output(READING + 1).and_then(read_disk));
        if let Some((url, first, count)) = &self.beacon {
            let outputs = reply.outputs.get(*first..first + count).unwrap_or(&[]);
            seen.beacon = Seen::Known(beacon::read(url, outputs));
            if self.asks_execution {
                let last = outputs
                    .last()
                    .ok_or_else(|| "the answer ends too early".to_owned());
                seen.execution = Seen::from_result(last.and_then(beacon::read_execution));
            }
        }
        let last = self
            .export
            .as_ref()
            .map_or(reply.outputs.len().saturating_sub(1), |(_, first)| *first);
        if let (Seen::Known(node), Some((first, keys))) = (&mut seen.beacon, &self.validators) {
            let outputs = reply.outputs.get(*first..last).unwrap_or(&[]);
            node.validators = Seen::from_result(beacon::read_validators(keys, outputs));
        }
        if let Some(at) = self.fingerprint {
            seen.fingerprint = Seen::from_result(output(at).and_then(read_fingerprint));
        }
        if let Some((export, first)) = &self.export {
            seen.protection = Seen::from_result(
                export
                    .as_ref()
                    .map_err(Clone::clone)
                    .and_then(|calls| exported(calls, &reply.outputs[*first..])),
            );
        }
        seen
    }
}

/// What the database of an installation looks like from outside.
pub fn fingerprint_call(install: &Install) -> Call {
    Call::new(Op::Fingerprint, [&install.database])
}

/// Reads [`fingerprint_call`].
pub fn read_fingerprint(output: &Output) -> Result<String, String> {
    let found = output
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("fingerprint="));
    found
        .filter(|found| !found.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| "the database's fingerprint was not printed".to_owned())
}

/// What a dry export says. One that is too large for the frame proves that the client works; its keys stay unread.
fn exported(calls: &ExportCalls, outputs: &[Output]) -> Result<Protection, String> {
    Ok(match read_export(calls, outputs)? {
        Exported::Document(document, _) => Protection {
            genesis_validators_root: document.genesis_validators_root.map(|root| root.to_string()),
            floors: history(&document).floors,
        },
        Exported::Large { .. } | Exported::NoDatabase => Protection {
            genesis_validators_root: None,
            floors: Default::default(),
        },
    })
}

/// Who answered, and its clock. The batch may take long on the host; two readings of its clock, at both ends, bound the
/// offset by the round trip alone: it lies between `last - received` and `first - sent`.
fn clock(reply: &Reply, sent: f64, received: f64) -> Seen<Identity> {
    let (Some(first), Some(last)) = (reply.outputs.first(), reply.outputs.last()) else {
        return Seen::Unknown("the answer is empty".to_owned());
    };
    let read = |output: &Output| read_identity(&reply.machine_id, &reply.boot_id, output, 0.0, 0.0);
    let (begin, end) = match (read(first), read(last)) {
        (Ok(begin), Ok(end)) => (begin, end),
        (Err(why), _) | (_, Err(why)) => return Seen::Unknown(why),
    };
    let (most, least) = (begin.clock_offset_s - sent, end.clock_offset_s - received);
    if most < least {
        return Seen::Unknown("a clock jumped while the host was asked".to_owned());
    }
    Seen::Known(Identity {
        clock_offset_s: (most + least) / 2.0,
        clock_uncertainty_s: (most - least) / 2.0,
        ..begin
    })
}
