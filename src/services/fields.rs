//! `key=value` lines, the form in which `remote.sh` answers. Must never let the last of two values win, and never
//! skip a line that it does not understand.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The lines of one answer, by key, in the order in which each key's values came.
pub(crate) struct Fields<'a> {
    values: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Fields<'a> {
    /// Reads every line; blank ones are skipped.
    ///
    /// # Errors
    /// A line without `=`.
    pub(crate) fn read(text: &'a str) -> Result<Fields<'a>, String> {
        let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| format!("a line that is no key=value: {}", cut(line)))?;
            values.entry(key).or_default().push(value);
        }
        Ok(Fields { values })
    }

    /// The value of a key that must be there exactly once; it may be empty.
    ///
    /// # Errors
    /// The key is missing or came twice.
    pub(crate) fn one(&self, key: &str) -> Result<&'a str, String> {
        match self.all(key) {
            [value] => Ok(value),
            [] => Err(format!("{key} is missing from the answer")),
            [_, ..] => Err(format!("{key} came more than once in the answer")),
        }
    }

    /// A value that must be there exactly once and be a whole number.
    ///
    /// # Errors
    /// The key is missing, came twice, or is no whole number.
    pub(crate) fn number(&self, key: &str) -> Result<u64, String> {
        let text = self.one(key)?;
        text.parse()
            .map_err(|_| format!("{key} is no whole number: {}", cut(text)))
    }

    /// Every value of a key.
    pub(crate) fn all(&self, key: &str) -> &[&'a str] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }

    /// Every key with its values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, &[&'a str])> {
        self.values.iter().map(|(key, values)| (*key, values.as_slice()))
    }

    /// A file as `fo_show_file` shows it: none when absent, else its content.
    ///
    /// # Errors
    /// The file cannot be read, or the content is no base64 of UTF-8.
    pub(crate) fn file(&self, name: &str) -> Result<Option<String>, String> {
        match self.one(name)? {
            "absent" => Ok(None),
            "present" => {
                let bytes = STANDARD
                    .decode(self.one(&format!("{name}.base64"))?.trim())
                    .map_err(|why| format!("the content of {name} is no base64: {why}"))?;
                String::from_utf8(bytes)
                    .map(Some)
                    .map_err(|_| format!("the content of {name} is no UTF-8"))
            }
            "unreadable" => Err(format!(
                "{name} cannot be read on the host, nor can it be said to be absent"
            )),
            other => Err(format!("{name} is neither absent nor present: {}", cut(other))),
        }
    }
}

/// The beginning of a text, for messages.
pub(crate) fn cut(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return text.to_string();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
