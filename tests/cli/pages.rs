//! Do the pages say what the program does? Every configuration key, its place and every example of
//! `docs/operating.md` is held against the code that reads it, and every link of every page against the files.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser;
use failover::config::{Config, HostConfig};
use serde_json::Value;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Proves that the reference names every key that the program reads, and no other.
#[test]
fn every_configuration_key_is_in_the_reference() {
    let mut config = serde_json::to_value(Config::default()).unwrap();
    config["hosts"] = serde_json::json!({ "NAME": HostConfig::default() });
    let mut read = BTreeSet::new();
    for (section, keys) in config.as_object().unwrap() {
        leaves(section, keys, &mut read);
    }
    read.retain(|key| !key.starts_with("hosts.NAME.ssh.") && !key.starts_with("hosts.NAME.validator."));
    read.extend(["hosts.NAME.ssh", "hosts.NAME.validator"].map(str::to_owned));
    let text = page("docs/operating.md");
    let reference = text
        .split("\n## Configure\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let written: BTreeSet<String> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|key| key.contains('.'))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        written, read,
        "docs/operating.md, \"Configure\", and src/config.rs"
    );
}

/// Every key that is no table itself. Tables of host names have no keys of their own.
fn leaves(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(keys) => keys
            .iter()
            .for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, found)),
        None => {
            found.insert(path.to_owned());
        }
    }
}

/// Proves that the defaults in the reference are those of the code.
#[test]
fn the_defaults_are_those_of_the_code() {
    let config = serde_json::to_value(Config::default()).unwrap();
    for line in page("docs/operating.md").lines() {
        let Some((key, default)) = row(line) else { continue };
        let is = config
            .pointer(&format!("/{}", key.replace('.', "/")))
            .unwrap_or(&Value::Null);
        let same = match is {
            Value::Null => true,
            Value::Number(number) => default == format!("`{number}`"),
            Value::Bool(_) | Value::String(_) => default == format!("`{is}`"),
            Value::Array(list) => list.is_empty() && !default.starts_with('`'),
            Value::Object(_) => true,
        };
        assert!(same, "{key}: the page says {default}, the code {is}");
    }
}

/// Key and default of a row of the reference.
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.split('|').map(str::trim).skip(1);
    let key = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    let default = cells.next()?;
    let section = key.split('.').next()?;
    let is_key =
        ["ssh", "validator", "chain", "clock", "checks", "timeouts"].contains(&section) && key.contains('.');
    is_key.then_some((key, default))
}

/// Proves that every example of a configuration is one.
#[test]
fn every_example_configuration_is_read() {
    let mut found = 0;
    for name in pages() {
        let text = page(&name);
        for block in text.split("```toml\n").skip(1) {
            let example = block.split("```").next().unwrap();
            let config = toml::from_str::<Config>(example);
            assert!(config.is_ok(), "{name}: {}\n{example}", config.unwrap_err());
            assert!(
                config.unwrap().plan("val-a", "val-b").is_ok(),
                "{name}\n{example}"
            );
            found += 1;
        }
    }
    assert!(found > 0);
}

/// Proves that every link inside the repository leads somewhere.
#[test]
fn every_link_leads_somewhere() {
    let mut lost = Vec::new();
    for name in pages() {
        let text = page(&name);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        let directory = directory.parent().unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let elsewhere = path.contains("://") || path.starts_with("docs/ansible.md");
            let file = if path.is_empty() {
                name.clone()
            } else {
                directory.join(path).display().to_string()
            };
            let there = if path.is_empty() {
                Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)
            } else {
                file.into()
            };
            if !elsewhere && (!there.exists() || !(anchor.is_empty() || anchors(&there).contains(anchor))) {
                lost.push(format!("{name}: {target}"));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

/// Proves that every command that a page gives for copying is one that the program understands.
#[test]
fn every_command_of_a_page_is_understood() {
    let mut seen = 0;
    for name in pages() {
        let text = page(&name);
        let blocks = text.split("```sh\n").skip(1);
        let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
        for line in lines {
            let command = line
                .split("| failover ")
                .nth(1)
                .or_else(|| line.strip_prefix("failover "));
            let Some(rest) = command else {
                continue;
            };
            let words = shlex::Shlex::new(rest).take_while(|word| !["|", ">"].contains(&word.as_str()));
            let words: Vec<String> = std::iter::once("failover".to_owned()).chain(words).collect();
            let understood = failover::cli::Cli::try_parse_from(&words);
            // The environment may name the hosts: README shows that.
            assert!(understood.is_ok() || words.len() == 1, "{name}: {line}");
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

fn pages() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let names = std::fs::read_dir(docs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"));
    pages.chain(["README.md".to_owned()]).collect()
}

/// The anchors that headings make.
fn anchors(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let heads = text.lines().filter(|line| line.starts_with('#'));
    heads
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|head| {
            head.chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .collect::<String>()
        })
        .map(|head| head.replace(' ', "-"))
        .collect()
}
