//! One HTTP answer as `remote.sh` prints it: the body, then the status on a line of its own.
//! Must never take a body for an answer when the status is not 200.

use serde_json::Value;

use crate::transport::Output;

/// Body and status.
///
/// # Errors
/// The request failed (no connection, time ran out), or the last line is no status.
pub(super) fn status(output: &Output) -> Result<(u16, &str), String> {
    let printed = output
        .ok()
        .map_err(|why| format!("the node was not reached: {why}"))?
        .trim_end();
    let (body, code) = printed.rsplit_once('\n').unwrap_or(("", printed));
    match code.trim().parse() {
        Ok(code @ 100..=599) => Ok((code, body)),
        _ => Err(format!("no HTTP status ends the answer: {}", cut(code))),
    }
}

/// The JSON of an answer with status 200.
///
/// # Errors
/// Another status, or a body that is no JSON.
pub(super) fn answer(output: &Output) -> Result<Value, String> {
    match status(output)? {
        (200, body) => json(body),
        (code, body) => Err(format!("the node answers with status {code}: {}", cut(body))),
    }
}

/// A body as JSON.
pub(super) fn json(body: &str) -> Result<Value, String> {
    serde_json::from_str(body).map_err(|why| format!("the answer is no JSON ({why}): {}", cut(body)))
}

/// The envelope's content.
pub(super) fn data(value: &Value) -> Result<&Value, String> {
    field(value, "data")
}

/// A field that must be there.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, String> {
    value
        .get(name)
        .ok_or_else(|| format!("{name} is missing from the answer"))
}

/// The list under `data`.
pub(super) fn rows(value: &Value) -> Result<&Vec<Value>, String> {
    data(value)?
        .as_array()
        .ok_or_else(|| "data is no list".to_string())
}

/// A text.
pub(super) fn text(value: &Value, name: &str) -> Result<String, String> {
    field(value, name)?
        .as_str()
        .map(str::to_string)
        .ok_or_else(|| format!("{name} is no text"))
}

/// A whole number, bare or in quotes.
pub(super) fn number(value: &Value, name: &str) -> Result<u64, String> {
    let found = field(value, name)?;
    found
        .as_u64()
        .or_else(|| {
            found
                .as_str()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
                .parse()
                .ok()
        })
        .ok_or_else(|| format!("{name} is no whole number: {}", cut(&found.to_string())))
}

/// A yes or no; none when the node does not say.
pub(super) fn flag(value: &Value, name: &str) -> Result<Option<bool>, String> {
    match value.get(name) {
        None => Ok(None),
        Some(found) => found
            .as_bool()
            .map(Some)
            .ok_or_else(|| format!("{name} is neither true nor false")),
    }
}

/// The beginning of a text on one line, for messages.
pub(super) fn cut(text: &str) -> String {
    const LONGEST: usize = 120;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        line
    } else {
        line.chars().take(LONGEST).chain(['…']).collect()
    }
}
