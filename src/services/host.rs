//! Reads who answered, what its clock says, which papers lie there and how much room it has.
//! Must never take a clock that was not read for one that agrees.

use serde::de::DeserializeOwned;

use crate::guards::evidence::{Claim, Disk, Generation, Identity, Papers, Seen};
use crate::transport::Output;

use super::fields::{Fields, cut};

/// Who answered and how far its clock is off. `machine_id` and `boot_id` are the reply's; the two times are the
/// coordinator's clock before sending and after receiving, Unix seconds.
///
/// # Errors
/// The call failed, an id is no id, or user id or time cannot be read.
pub fn read_identity(
    machine_id: &str,
    boot_id: &str,
    output: &Output,
    sent_at_s: f64,
    received_at_s: f64,
) -> Result<Identity, String> {
    if machine_id.len() != 32 || !machine_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("no machine id: {}", cut(machine_id)));
    }
    if boot_id.len() != 36
        || !boot_id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    {
        return Err(format!("no boot id: {}", cut(boot_id)));
    }
    let round_trip_s = received_at_s - sent_at_s;
    if !round_trip_s.is_finite() || round_trip_s < 0.0 {
        return Err("the coordinator's own clock went back while it asked".to_string());
    }
    let fields = Fields::read(output.ok()?)?;
    let uid = fields.one("uid")?;
    Ok(Identity {
        machine_id: machine_id.to_string(),
        boot_id: boot_id.to_string(),
        uid: uid.parse().map_err(|_| format!("no user id: {}", cut(uid)))?,
        clock_offset_s: seconds(fields.one("time")?)? - (sent_at_s + received_at_s) / 2.0,
        clock_uncertainty_s: round_trip_s / 2.0,
        clock_synchronised: synchronised(fields.one("ntp")?),
    })
}

/// `1795307678.386912470`: digits and one point only, so that `nan`, `inf` and `1e9` are refused.
fn seconds(text: &str) -> Result<f64, String> {
    let plain =
        text.split('.').count() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.parse() {
        Ok(seconds) if plain => Ok(seconds),
        _ => Err(format!("no time in seconds: {}", cut(text))),
    }
}

fn synchronised(text: &str) -> Seen<bool> {
    match text {
        "yes" => Seen::Known(true),
        "no" => Seen::Known(false),
        "" => Seen::Unknown("timedatectl does not say whether the clock is synchronised".to_string()),
        other => Seen::Unknown(format!("timedatectl says {} of synchronisation", cut(other))),
    }
}

/// Claim and generation lying on the host. Operations `papers`, `claim`, `release` and `generation` print them.
///
/// # Errors
/// The call failed, a paper can neither be read nor said to be absent, or it is not of its form.
pub fn read_papers(output: &Output) -> Result<Papers, String> {
    let fields = Fields::read(output.ok()?)?;
    Ok(Papers {
        claim: paper::<Claim>(&fields, "claim")?,
        generation: paper::<Generation>(&fields, "generation")?,
    })
}

fn paper<T: DeserializeOwned>(fields: &Fields, name: &str) -> Result<Option<T>, String> {
    let Some(text) = fields.file(name)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|why| format!("the {name} on the host is not of its form: {why}"))
}

/// Room on the host.
///
/// # Errors
/// The call failed or a number is missing.
pub fn read_disk(output: &Output) -> Result<Disk, String> {
    let fields = Fields::read(output.ok()?)?;
    let database_bytes = match fields.one("used_bytes")? {
        "absent" => None,
        _ => Some(fields.number("used_bytes")?),
    };
    let writable = match fields.one("writable")? {
        "yes" => true,
        "no" => false,
        other => return Err(format!("writable is neither yes nor no: {}", cut(other))),
    };
    Ok(Disk {
        free_bytes: fields.number("free_bytes")?,
        state_free_bytes: fields.number("state_free_bytes")?,
        database_bytes,
        writable,
    })
}
