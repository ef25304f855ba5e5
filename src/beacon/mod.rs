//! The Beacon API as seen from a host: which questions to ask, how to read the answers. Numbers may come as strings
//! or as numbers. Pure: the requests are calls for `remote.sh`. Must never assume a parameter of the chain, and never
//! read an error page, another status than 200, or a missing field as an answer.

mod answer;
mod inclusion;
mod validators;

pub use inclusion::{
    Included, block_questions, duties_question, liveness_question, read_inclusion, read_liveness,
};
pub use validators::{read_validators, validators_questions};

use serde_json::Value;

use crate::guards::evidence::{Beacon, Execution, Genesis, Seen, Spec, Syncing};
use crate::transport::{Call, Op, Output};

use answer::{answer, data, field, number, text};

/// The questions of one look at a node, in the order in which [`read`] and [`read_execution`] take the answers:
/// version, genesis, spec, syncing, peer count, and `eth_syncing` last when an execution client is named.
/// `prefix` is the API's, such as `/eth/v1`; the limit is per request, seconds.
pub fn questions(url: &str, prefix: &str, execution_url: Option<&str>, timeout_s: u64) -> Vec<Call> {
    let paths = [
        "/node/version",
        "/beacon/genesis",
        "/config/spec",
        "/node/syncing",
        "/node/peer_count",
    ];
    let mut calls: Vec<Call> = paths
        .iter()
        .map(|path| get(&at(url, prefix, path), timeout_s))
        .collect();
    if let Some(execution) = execution_url {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_syncing","params":[]}"#;
        calls.push(post(execution, body, timeout_s));
    }
    calls
}

/// What a node answered to [`questions`]; each answer stands for itself. Validators are asked separately.
pub fn read(url: &str, outputs: &[Output]) -> Beacon {
    Beacon {
        url: shown(url),
        version: seen(outputs, 0, |value| text(data(value)?, "version")),
        genesis: seen(outputs, 1, genesis),
        spec: seen(outputs, 2, spec),
        syncing: seen(outputs, 3, syncing),
        peers: seen(outputs, 4, |value| number(data(value)?, "connected")),
        validators: Seen::Unknown("the validators were not asked for".to_string()),
    }
}

/// What the execution client answered to `eth_syncing`.
///
/// # Errors
/// No answer, an error, or a result that is neither `false` nor a progress report.
pub fn read_execution(output: &Output) -> Result<Execution, String> {
    let value = answer(output)?;
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(format!("the execution client answers with an error: {error}"));
    }
    match field(&value, "result")? {
        Value::Bool(false) => Ok(Execution { syncing: false }),
        Value::Object(_) | Value::Bool(true) => Ok(Execution { syncing: true }),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("eth_syncing answers neither false nor its progress".to_string())
        }
    }
}

/// A URL as it may be shown and journalled: without user and password.
pub fn shown(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            format!(
                "{scheme}://{}{path}",
                authority.rsplit('@').next().unwrap_or_default()
            )
        }
        None => url.to_owned(),
    }
}

/// The slot at a time (Unix seconds); none before genesis.
pub fn current_slot(genesis: &Genesis, spec: &Spec, unix_s: f64) -> Option<u64> {
    // Exact: a genesis time is far below 2^53.
    let since_s = unix_s - genesis.time as f64;
    let slot = (since_s / spec.seconds_per_slot).floor();
    // A cast of a float saturates; below 2^53 it is exact.
    (since_s >= 0.0 && spec.seconds_per_slot > 0.0 && slot.is_finite()).then_some(slot as u64)
}

/// A question by GET.
fn get(url: &str, timeout_s: u64) -> Call {
    Call::new(Op::Http, ["GET", url, "", &timeout_s.to_string()])
}

/// A question by POST with a JSON body.
fn post(url: &str, body: &str, timeout_s: u64) -> Call {
    Call::new(Op::Http, ["POST", url, body, &timeout_s.to_string()])
}

fn at(url: &str, prefix: &str, path: &str) -> String {
    format!("{}{prefix}{path}", url.trim_end_matches('/'))
}

fn seen<T>(outputs: &[Output], place: usize, read: fn(&Value) -> Result<T, String>) -> Seen<T> {
    let Some(output) = outputs.get(place) else {
        return Seen::Unknown("it was not asked".to_string());
    };
    Seen::from_result(answer(output).and_then(|value| read(&value)))
}

fn genesis(value: &Value) -> Result<Genesis, String> {
    let data = data(value)?;
    let root = text(data, "genesis_validators_root")?.to_lowercase();
    let digits = root.strip_prefix("0x").unwrap_or_default();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("genesis_validators_root is no root: {root}"));
    }
    Ok(Genesis {
        time: number(data, "genesis_time")?,
        validators_root: root,
    })
}

fn spec(value: &Value) -> Result<Spec, String> {
    let data = data(value)?;
    // Newer nodes say it in milliseconds too, which is exact where slots are no whole seconds.
    let milliseconds = match data.get("SLOT_DURATION_MS") {
        Some(_) => number(data, "SLOT_DURATION_MS")?,
        None => number(data, "SECONDS_PER_SLOT")?.saturating_mul(1000),
    };
    let slots_per_epoch = number(data, "SLOTS_PER_EPOCH")?;
    if milliseconds == 0 || slots_per_epoch == 0 || milliseconds > 86_400_000 {
        return Err(format!(
            "no chain has {milliseconds} ms per slot and {slots_per_epoch} slots per epoch"
        ));
    }
    // Exact: below 2^53 by the line above.
    Ok(Spec {
        seconds_per_slot: milliseconds as f64 / 1000.0,
        slots_per_epoch,
    })
}

fn syncing(value: &Value) -> Result<Syncing, String> {
    let data = data(value)?;
    Ok(Syncing {
        head_slot: number(data, "head_slot")?,
        sync_distance: number(data, "sync_distance")?,
        is_syncing: answer::flag(data, "is_syncing")?
            .ok_or_else(|| "is_syncing is missing from the answer".to_string())?,
        is_optimistic: answer::flag(data, "is_optimistic")?,
        el_offline: answer::flag(data, "el_offline")?,
    })
}
