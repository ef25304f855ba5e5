//! Command lines: flags with their values, and `$NAME` filled in from a unit's environment.
//! Must never guess a value: a flag that is given twice differently, or a variable that is not known, is an error.

/// The flags of a command line, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    given: Vec<Flag>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Flag {
    /// As it was written, with its dashes, without a value.
    name: String,
    values: Vec<String>,
}

impl Flags {
    /// Reads `--name=value`, `--name value value…` and `--name`. Words before the first flag are left out.
    pub fn read(words: &[String]) -> Flags {
        let mut given: Vec<Flag> = Vec::new();
        for word in words {
            if is_flag(word) {
                given.push(match word.split_once('=') {
                    Some((name, value)) => Flag {
                        name: name.to_string(),
                        values: vec![value.to_string()],
                    },
                    None => Flag {
                        name: word.clone(),
                        values: Vec::new(),
                    },
                });
            } else if let Some(flag) = given.last_mut() {
                flag.values.push(word.clone());
            }
        }
        Flags { given }
    }

    /// Whether one of these flags is given and not switched off (`--flag=false`). Names without dashes.
    pub fn on(&self, names: &[&str]) -> bool {
        self.named(names)
            .any(|flag| flag.values.first().is_none_or(|value| value != "false"))
    }

    /// The value of a flag that goes by any of these names.
    ///
    /// # Errors
    /// It has no value, or is given with different ones.
    pub fn value(&self, names: &[&str]) -> Result<Option<String>, String> {
        let mut found: Option<&str> = None;
        for flag in self.named(names) {
            let value = flag.values.first().filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| format!("{} has no value", flag.name))?;
            if found.is_some_and(|other| other != value) {
                return Err(format!(
                    "{} is given more than once, with different values",
                    flag.name
                ));
            }
            found = Some(value);
        }
        Ok(found.map(str::to_string))
    }

    /// All values of a list flag, split at commas.
    pub fn list(&self, names: &[&str]) -> Vec<String> {
        self.named(names)
            .flat_map(|flag| &flag.values)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(str::to_string)
            .collect()
    }

    /// How a flag that goes by any of these names is written, with its dashes.
    pub fn spelling(&self, names: &[&str]) -> Option<String> {
        self.named(names).next().map(|flag| flag.name.clone())
    }

    /// These flags again, as they were written, to be passed on to another command.
    pub fn passed_on(&self, names: &[&str]) -> Vec<String> {
        let mut words = Vec::new();
        for flag in self.named(names) {
            words.push(flag.name.clone());
            words.extend(flag.values.iter().cloned());
        }
        words
    }

    /// The same for switches: only the flag, written so that no value can be taken for an argument.
    pub fn switches(&self, names: &[&str]) -> Vec<String> {
        names
            .iter()
            .filter(|name| self.on(&[name]))
            .map(|name| format!("--{name}"))
            .collect()
    }

    fn named<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a Flag> {
        self.given
            .iter()
            .filter(|flag| names.iter().any(|name| plain(name) == plain(&flag.name)))
    }
}

/// `-x`, `--xyz`; not `-` alone and not a negative number.
fn is_flag(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    word.starts_with('-') && name.starts_with(|char: char| char.is_alphabetic())
}

/// `--dataDir`, `-datadir` and `--data-dir` are one name to the clients' parsers.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|char| *char != '-')
        .flat_map(char::to_lowercase)
        .collect()
}

/// Fills in `${NAME}` and `$NAME` as systemd does: a word that is `$NAME` alone is split at blanks. `$$` is a dollar.
///
/// # Errors
/// A variable that the environment (`NAME=value`) does not hold.
pub fn expand(words: &[String], environment: &[String]) -> Result<Vec<String>, String> {
    let mut full = Vec::new();
    for word in words {
        match word.strip_prefix('$') {
            Some(name) if is_name(name) => {
                full.extend(
                    variable(name, environment)?
                        .split_whitespace()
                        .map(str::to_string),
                );
            }
            _ => full.push(braces(word, environment)?),
        }
    }
    Ok(full)
}

fn braces(word: &str, environment: &[String]) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        rest = if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            after
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            text.push_str(variable(name, environment)?);
            after
        } else {
            text.push('$');
            after
        };
    }
    text.push_str(rest);
    Ok(text)
}

fn variable<'a>(name: &str, environment: &'a [String]) -> Result<&'a str, String> {
    environment.iter().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).ok_or_else(|| {
        format!(
            "the unit's command line uses ${name}, which its Environment= does not hold (an EnvironmentFile= may): \
             set program and data_dir for this host in the configuration"
        )
    })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
}
