//! Lines of PostgreSQL's password file, `HOST:PORT:DATABASE:USER:PASSWORD` (manual of PostgreSQL, 34.16). Must never
//! take a password of a line that does not match in all four fields.

/// The password of the first line that matches. Each of `wanted` (host, port, database, user) may be met in any of its
/// spellings, or by `*`.
pub(super) fn find(text: &str, wanted: &[Vec<String>; 4]) -> Option<String> {
    text.lines().find_map(|line| {
        if line.starts_with('#') {
            return None;
        }
        let mut rest = line.chars();
        for spellings in wanted {
            let field = field(&mut rest, true)?;
            if field.raw != "*" && !spellings.contains(&field.meant) {
                return None;
            }
        }
        Some(field(&mut rest, false)?.meant).filter(|password| !password.is_empty())
    })
}

struct Field {
    /// As written: an escaped `*` is no wildcard.
    raw: String,
    meant: String,
}

/// Up to the next colon (`ends`) or to the end of the line. A backslash takes the next character as it is.
fn field(rest: &mut std::str::Chars, ends: bool) -> Option<Field> {
    let mut field = Field {
        raw: String::new(),
        meant: String::new(),
    };
    loop {
        match rest.next() {
            None if ends => return None,
            None => return Some(field),
            Some(':') => return Some(field),
            Some('\\') => {
                let escaped = rest.next()?;
                field.raw.extend(['\\', escaped]);
                field.meant.push(escaped);
            }
            Some(plain) => {
                field.raw.push(plain);
                field.meant.push(plain);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_counts() {
        let wanted = [&["/run/postgresql", "localhost"][..], &["5432"], &["w:3"], &["*"]]
            .map(|spellings| spellings.iter().map(|text| (*text).to_owned()).collect());
        for (text, password) in [
            ("localhost:5432:w\\:3:*:a", Some("a")),
            ("# *:*:*:*:no\n*:*:*:*:b\\:\\\\c", Some("b:\\c")),
            ("localhost:5433:*:*:no\n/run/postgresql:5432:*:\\*:d", Some("d")),
            ("localhost:5432:w3:*:no\nlocalhost:5432:*:u:no", None),
            ("*:*:*:*:first\n*:*:*:*:second", Some("first")),
            ("*:*:*:*", None),
            ("*:*:*:*:", None),
            ("\\*:*:*:*:no", None),
            ("*:*:*:*:a:rest is not it", Some("a")),
            ("", None),
        ] {
            assert_eq!(find(text, &wanted).as_deref(), password, "{text}");
        }
    }
}
