//! A file as the rules see it: its text, its code (comments, texts and characters blanked), and its code without
//! `#[cfg(test)]` items. Lines keep their numbers. A small scanner, not a parser: it must never be cleverer than needed.

/// One file.
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// As it lies on disk.
    pub text: String,
    /// With comments, strings and characters blanked.
    pub code: String,
    /// `code` without items under `#[cfg(test)]`; empty for files that are tests altogether.
    pub shipped: String,
}

impl Source {
    /// A file of that path and text.
    pub fn new(path: &str, text: &str) -> Source {
        let code = blanked(text);
        let stem = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".rs");
        let is_test =
            !path.starts_with("src/") || stem == "tests" || stem.ends_with("_tests") || stem == "sample";
        let shipped = if is_test {
            String::new()
        } else {
            without_tests(&code)
        };
        Source {
            path: path.into(),
            text: text.into(),
            code,
            shipped,
        }
    }

    /// Lines before the inline tests; these are allowed to be long.
    pub fn length(&self) -> usize {
        let inline = self.code.match_indices("#[cfg(test)]").find(|(at, _)| {
            let rest = &self.code[*at..];
            rest.find('{')
                .is_some_and(|brace| rest.find(';').is_none_or(|semicolon| brace < semicolon))
                && rest.contains("mod tests")
        });
        inline
            .map_or(&self.code[..], |(at, _)| &self.code[..at])
            .lines()
            .count()
    }

    /// The top-level module that the file belongs to; `main` and `lib` are their own.
    pub fn module(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
    }

    /// How many modules lie between the crate and this file's own items.
    pub fn depth(&self) -> usize {
        let inner = self
            .path
            .strip_prefix("src/")
            .unwrap_or(&self.path)
            .trim_end_matches(".rs");
        inner
            .split('/')
            .filter(|part| !matches!(*part, "mod" | "lib" | "main"))
            .count()
    }

    /// `path:line` of a byte of `code`.
    pub fn at(&self, byte: usize) -> String {
        format!("{}:{}", self.path, self.code[..byte].matches('\n').count() + 1)
    }
}

/// The end of the block that opens at or after `from`: just behind its brace, or behind a `;` that comes first.
pub fn block_end(code: &str, from: usize) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' => braces += 1,
            b'}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return at + 1;
                }
            }
            b';' if braces == 0 && brackets == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Blanks comments, strings and characters; newlines stay.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            at += 1;
            continue;
        }
        for byte in code[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at = end;
    }
    for byte in code.iter_mut().filter(|byte| !byte.is_ascii()) {
        *byte = b'?';
    }
    String::from_utf8(code).unwrap()
}

/// Where the comment, string or character that begins at `at` ends; `at` itself if none begins there.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    let find = |needle: &[u8], from: usize| {
        (from..rest.len())
            .find(|start| rest[*start..].starts_with(needle))
            .map_or(bytes.len(), |start| at + start + needle.len())
    };
    if rest.starts_with(b"//") {
        return rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(bytes.len(), |line| at + line);
    }
    if rest.starts_with(b"/*") {
        return find(b"*/", 2);
    }
    let raw = rest.strip_prefix(b"b").unwrap_or(rest);
    if let Some(raw) = raw.strip_prefix(b"r").filter(|_| !word_before) {
        let hashes = raw.iter().take_while(|byte| **byte == b'#').count();
        if raw.get(hashes) == Some(&b'"') {
            let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            return find(&close, rest.len() - raw.len() + hashes + 1);
        }
    }
    match rest {
        [b'"', ..] => quoted_end(bytes, at, b'"'),
        // A lifetime has no closing quote behind its first letter.
        [b'\'', b'\\', ..] => quoted_end(bytes, at, b'\''),
        [b'\'', first, ..] if *first != b'\'' => {
            let width = if first.is_ascii() {
                1
            } else {
                rest[1..].iter().position(|byte| *byte == b'\'').unwrap_or(1)
            };
            if rest.get(1 + width) == Some(&b'\'') && width <= 4 {
                at + width + 2
            } else {
                at
            }
        }
        _ => at,
    }
}

fn quoted_end(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn without_tests(code: &str) -> String {
    let mut shipped = code.to_owned();
    while let Some(start) = shipped.find("#[cfg(test)]") {
        let end = block_end(&shipped, start + "#[cfg(test)]".len());
        let blank: String = shipped[start..end]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect();
        shipped.replace_range(start..end, &blank);
    }
    shipped
}

/// Proves that comments, texts and tests are hidden and that code is not.
#[test]
fn only_code_is_seen() {
    let text = "fn a<'x>() { b(\"crate::c \\\" {\", 'd', '\\'', '{', r#\"crate::\"e\"# ) } // crate::f\n\
                /* crate::g\n*/ let h = b\"crate::\"; let i: &'static str = j;\n\
                #[cfg(test)]\nmod tests { fn k() { crate::l } }\nfn m() { '\u{e9}' }\n\
                #[cfg(test)]\nmod n;\nuse crate::o;";
    let source = Source::new("src/p/q.rs", text);
    assert_eq!(source.code.matches("crate::").count(), 2, "{}", source.code);
    assert_eq!(source.shipped.matches("crate::").count(), 1, "{}", source.shipped);
    assert_eq!(source.code.lines().count(), text.lines().count());
    for seen in ["fn a<'x>()", "&'static str = j;", "fn m()", "use crate::o;"] {
        assert!(source.shipped.contains(seen), "{seen} in {}", source.shipped);
    }
    assert_eq!(source.code.matches('{').count(), source.code.matches('}').count());
    assert_eq!((source.module(), source.depth()), ("p", 2));
    assert_eq!(Source::new("src/p/mod.rs", "").depth(), 1);
    assert_eq!(
        source.at(source.code.find("use crate::o").unwrap()),
        "src/p/q.rs:9"
    );
    assert_eq!(Source::new("src/p/tests.rs", "use crate::o;").shipped, "");
    assert_eq!(source.length(), 3, "inline tests do not count");
    assert_eq!(
        Source::new("src/p.rs", "//! x\n#[cfg(test)]\nmod tests;\nfn f() {}\n").length(),
        4
    );
}
