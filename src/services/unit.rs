//! Reads what operation `unit` prints: `systemctl show`, the loaded asserts from `busctl`, the cgroup's members.
//! Must never read a missing property as an empty one.

use crate::guards::evidence::Unit;
use crate::transport::Output;

use super::fields::{Fields, cut};

/// Properties of systemd that name units which could start this one by themselves.
const REVIVERS: [&str; 4] = ["TriggeredBy", "WantedBy", "RequiredBy", "BoundBy"];

/// The unit as systemd, D-Bus and the cgroup tell it. `name` carries its suffix (`.service`).
///
/// # Errors
/// The call failed, a property is missing or no text of its kind, the unit answers under another name, the cgroup
/// could not be read, or the main process is not in the cgroup (then the cgroup was not really read).
pub fn read_unit(name: &str, output: &Output) -> Result<Unit, String> {
    let fields = Fields::read(output.ok()?)?;
    let id = fields.one("Id")?;
    if id != name {
        return Err(format!("{name} is another name of {id}: give the unit as {id}"));
    }
    if fields.one("CgroupRead")? != "yes" {
        return Err("the cgroup file system cannot be read on the host".to_string());
    }
    let load_state = fields.one("LoadState")?.to_string();
    // systemd prints no ExecStart line for a unit that it has not loaded.
    let exec_start = match fields.all("ExecStart") {
        [] if load_state == "loaded" => return Err("ExecStart is missing from the answer".to_string()),
        [line] => argv(line),
        _ => Vec::new(),
    };
    let unit = Unit {
        name: name.to_string(),
        load_state,
        active_state: word(&fields, "ActiveState")?,
        sub_state: word(&fields, "SubState")?,
        file_state: fields.one("UnitFileState")?.to_string(),
        main_pid: fields.number("MainPID")?,
        invocation: fields.one("InvocationID")?.to_string(),
        main_start_us: fields.number("ExecMainStartTimestampMonotonic")?,
        restart: word(&fields, "Restart")?,
        kill_mode: word(&fields, "KillMode")?,
        user: fields.one("User")?.to_string(),
        fragment: fields.one("FragmentPath")?.to_string(),
        exec_start,
        working_directory: fields.one("WorkingDirectory")?.to_string(),
        revived_by: revivers(&fields)?,
        asserts_absent: asserts_absent(fields.one("Asserts")?)?,
        cgroup_pids: pids(fields.one("CgroupPids")?)?,
    };
    if unit.main_pid != 0 && !unit.cgroup_pids.contains(&unit.main_pid) {
        return Err(format!(
            "the main process {} is not among the members of the unit's cgroup: the cgroup was not read, or the unit \
             changed while it was looked at",
            unit.main_pid
        ));
    }
    Ok(unit)
}

/// The unit's own environment (`Environment=`), each as `NAME=value`. What an `EnvironmentFile=` brings is not in it.
///
/// # Errors
/// The call failed, the line is missing, or its quoting cannot be read.
pub fn read_environment(output: &Output) -> Result<Vec<String>, String> {
    let fields = Fields::read(output.ok()?)?;
    let line = fields.one("Environment")?;
    shlex::split(line).ok_or_else(|| format!("the quoting of Environment cannot be read: {}", cut(line)))
}

fn word(fields: &Fields, key: &str) -> Result<String, String> {
    match fields.one(key)? {
        "" => Err(format!("{key} is empty in the answer")),
        value => Ok(value.to_string()),
    }
}

fn revivers(fields: &Fields) -> Result<Vec<String>, String> {
    let mut named = Vec::new();
    for key in REVIVERS {
        named.extend(fields.one(key)?.split_whitespace().map(str::to_string));
    }
    // A manager older than 249 knows no Upholds= and prints no such line: nothing can uphold the unit there.
    if !fields.all("UpheldBy").is_empty() {
        named.extend(fields.one("UpheldBy")?.split_whitespace().map(str::to_string));
    }
    named.sort();
    named.dedup();
    Ok(named)
}

fn pids(text: &str) -> Result<Vec<u64>, String> {
    text.split_whitespace()
        .map(|pid| {
            pid.parse()
                .map_err(|_| format!("CgroupPids holds no process id: {}", cut(pid)))
        })
        .collect()
}

/// `{ path=… ; argv[]=… ; ignore_errors=… }` as argv; empty when its quoting is in doubt.
fn argv(line: &str) -> Vec<String> {
    let Some((_, rest)) = line.split_once(" ; argv[]=") else {
        return Vec::new();
    };
    let Some((text, _)) = rest.rsplit_once(" ; ignore_errors=") else {
        return Vec::new();
    };
    if text.contains("$'") {
        return Vec::new();
    }
    shlex::split(text).unwrap_or_default()
}

/// Paths of loaded `AssertPathExists=!path`, from `a(sbbsi) N "type" trigger negate "parameter" state …`.
/// A triggering assert (`|`) is satisfied by any other of its kind, so it bars nothing and is left out.
fn asserts_absent(text: &str) -> Result<Vec<String>, String> {
    let broken = || format!("the loaded asserts cannot be read: {}", cut(text));
    let mut words = words(text).ok_or_else(broken)?.into_iter();
    if words.next().as_deref() != Some("a(sbbsi)") {
        return Err(broken());
    }
    let count: usize = words
        .next()
        .and_then(|count| count.parse().ok())
        .ok_or_else(broken)?;
    let words: Vec<String> = words.collect();
    if count.checked_mul(5) != Some(words.len()) {
        return Err(broken());
    }
    let mut paths = Vec::new();
    for assert in words.chunks_exact(5) {
        let [kind, trigger, negate, parameter, _state] = assert else {
            return Err(broken());
        };
        let barring =
            flag(trigger).ok_or_else(broken)? == Flag::No && flag(negate).ok_or_else(broken)? == Flag::Yes;
        if kind == "AssertPathExists" && barring {
            paths.push(parameter.clone());
        }
    }
    Ok(paths)
}

#[derive(PartialEq)]
enum Flag {
    Yes,
    No,
}

fn flag(word: &str) -> Option<Flag> {
    match word {
        "true" => Some(Flag::Yes),
        "false" => Some(Flag::No),
        _ => None,
    }
}

/// Words of a busctl line: bare, or in double quotes with `\"`, `\\` and octal escapes.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (word, after) = quoted_word(quoted)?;
            if !(after.is_empty() || after.starts_with(' ')) {
                return None;
            }
            words.push(word);
            rest = after.trim_start();
        } else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            words.push(word.to_string());
            rest = after.trim_start();
        }
    }
    Some(words)
}

fn quoted_word(text: &str) -> Option<(String, &str)> {
    let mut bytes = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((String::from_utf8(bytes).ok()?, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                escaped @ ('"' | '\\' | '\'') => bytes.push(u8::try_from(escaped).ok()?),
                first @ '0'..='3' => {
                    let digits: String = [first, chars.next()?.1, chars.next()?.1].into_iter().collect();
                    bytes.push(u8::from_str_radix(&digits, 8).ok()?);
                }
                _ => return None,
            },
            plain => bytes.extend(plain.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    None
}
