//! Rust source as the checks want it: code without comments, strings and tests, and the
//! strings by themselves.

use std::fs;
use std::path::Path;

/// One file below `src/`.
pub(crate) struct Source {
    /// Relative to `src/`.
    pub(crate) path: String,
    /// The text with comments, string contents and test modules blanked out; every line
    /// stays where it was.
    pub(crate) code: String,
    /// String literals outside of tests, with the number of the line they begin on.
    pub(crate) literals: Vec<(usize, String)>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, literals) = separate(text);
        let (code, kept) = without_tests(&code);
        let literals = literals
            .into_iter()
            .filter(|(line, _)| kept.get(line - 1).copied().unwrap_or(true))
            .collect();
        Self {
            path: path.to_owned(),
            code,
            literals,
        }
    }

    /// The room that a file belongs to: its folder, or its own name.
    pub(crate) fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The line of a byte of the code, counted from one.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

/// Every Rust file of the crate.
pub(crate) fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read(&root, &root, &mut sources);
    sources
}

fn read(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("lists a folder of src/") {
        let path = entry.expect("reads an entry").path();
        if path.is_dir() {
            read(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if is_test_file(&path) {
                continue;
            }
            let text = fs::read_to_string(&path).expect("reads a source file");
            let relative = path.strip_prefix(root).expect("is below src/");
            sources.push(Source::new(&relative.display().to_string(), &text));
        }
    }
}

/// A test module in a file of its own is named so.
fn is_test_file(path: &Path) -> bool {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .is_some_and(|stem| stem == "tests" || stem.ends_with("_tests"))
}

/// Where words that are whole identifiers (or paths) stand in `code`.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            !code[..*at].chars().next_back().is_some_and(is_part)
                && !code[at + word.len()..].chars().next().is_some_and(is_part)
        })
}

/// The index after the bracket that closes the one at `open`.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Blanks out comments and the contents of literals; answers the strings apart.
fn separate(text: &str) -> (String, Vec<(usize, String)>) {
    let mut code = String::with_capacity(text.len());
    let mut literals = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (length, literal) = token(rest);
        let (token, after) = rest.split_at(length);
        let is_string = literal.is_some();
        if let Some(literal) = literal {
            literals.push((code.matches('\n').count() + 1, literal));
        }
        if length == character.len_utf8() {
            code.push(character);
        } else if !is_string && token.starts_with(is_identifier_start) {
            code.push_str(token);
        } else {
            code.extend(
                token
                    .chars()
                    .map(|character| if character == '\n' { '\n' } else { ' ' }),
            );
        }
        rest = after;
    }
    (code, literals)
}

fn is_identifier_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

/// The length of what `rest` begins with, and its contents when that is a string.
fn token(rest: &str) -> (usize, Option<String>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if let Some(found) = string(rest) {
        return found;
    }
    if rest.starts_with('\'') {
        return (character_literal(rest), None);
    }
    let identifier = rest
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    (identifier.max(first), None)
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `"…"`, `b"…"`, `c"…"` and their raw forms.
fn string(rest: &str) -> Option<(usize, Option<String>)> {
    let after_prefix = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let (raw, after_raw) = match after_prefix.strip_prefix('r') {
        Some(after) => (true, after),
        None => (false, after_prefix),
    };
    let hashes = if raw {
        after_raw.len() - after_raw.trim_start_matches('#').len()
    } else {
        0
    };
    let body = after_raw[hashes..].strip_prefix('"')?;
    let start = rest.len() - body.len();
    let end = if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        body.find(&end).map_or(body.len(), |at| at + end.len())
    } else {
        end_of_escaped(body)
    };
    let contents = body[..end].trim_end_matches('#').trim_end_matches('"');
    Some((start + end, Some(contents.to_owned())))
}

fn end_of_escaped(body: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// A character literal; a lifetime's apostrophe stands for itself.
fn character_literal(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => rest[2..]
            .char_indices()
            .skip(1)
            .find(|(_, character)| *character == '\'')
            .map_or(1, |(at, _)| at + 3),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// Blanks out `#[cfg(test)]` modules; answers which lines are kept.
fn without_tests(code: &str) -> (String, Vec<bool>) {
    const MARK: &str = "#[cfg(test)]";
    let mut bytes = code.as_bytes().to_vec();
    for (at, _) in code.match_indices(MARK) {
        let after = &code[at + MARK.len()..];
        let end = match after.find(['{', ';']) {
            Some(next) if after[next..].starts_with('{') => closing(code, at + MARK.len() + next),
            Some(next) => at + MARK.len() + next + 1,
            None => code.len(),
        };
        for byte in &mut bytes[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    let code_left = String::from_utf8(bytes).expect("whole characters were blanked out");
    let kept = code
        .lines()
        .zip(code_left.lines())
        .map(|(before, after)| before == after)
        .collect();
    (code_left, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r####"
// std::fs in a comment /* and "more"
/* nested /* std::env */ still */
fn f<'a>(x: &'a str) -> char {
    let _ = "one \" std::net";
    let _ = r#"raw " string"#;
    let _ = ['"', '\'', '\u{41}', 'ä'];
    kept_code()
}
#[cfg(test)]
mod tests {
    fn g() { let _ = "in a test"; tokio() }
}
fn after() {}
"####;

    #[test]
    fn comments_strings_and_tests_are_told_from_code() {
        let source = Source::new("room/file.rs", SAMPLE);
        for gone in ["std::", "raw", "tokio", "nested", "more"] {
            assert!(
                !source.code.contains(gone),
                "`{gone}` is left in {}",
                source.code
            );
        }
        for kept in ["kept_code()", "fn after()", "<'a>", "&'a str"] {
            assert!(
                source.code.contains(kept),
                "`{kept}` is lost in {}",
                source.code
            );
        }
        assert_eq!(source.code.lines().count(), SAMPLE.lines().count());
        let literals: Vec<&str> = source.literals.iter().map(|(_, text)| &**text).collect();
        assert_eq!(literals, ["one \\\" std::net", "raw \" string"]);
        assert_eq!(source.literals[0].0, 5);
        assert_eq!(source.room(), "room");
    }

    #[test]
    fn a_test_module_in_its_own_file_is_known_by_its_name() {
        for (path, expected) in [
            ("store/tests.rs", true),
            ("rotation/admit_tests.rs", true),
            ("rotation/admit.rs", false),
            ("store/contests.rs", false),
        ] {
            assert_eq!(is_test_file(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_word_is_not_found_within_another() {
        let found: Vec<usize> = words("Secret SecretId MySecret Secret", "Secret").collect();
        assert_eq!(found, [0, 25]);
    }
}
