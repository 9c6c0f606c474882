// SPDX-License-Identifier: GPL-2.0-only
//! Divides a file into code, comments and string literals.

/// A line of a source file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The line with the contents of its string literals taken out.
    pub(crate) without_strings: String,
    /// The contents of its string literals, a space after each.
    pub(crate) strings: String,
    /// The text of its comment, without the marks.
    pub(crate) comment: Option<String>,
}

/// The part of a file in which a line begins.
enum State {
    Code,
    Comment,
    /// A string literal; a raw one ends in this many `#`.
    String(Option<usize>),
}

/// Divides Rust or C source into its lines.
pub(crate) fn lines(source: &str) -> Vec<Line> {
    let mut state = State::Code;
    source
        .lines()
        .map(|line| divide(line, &mut state))
        .collect()
}

fn divide(text: &str, state: &mut State) -> Line {
    let mut line = Line::default();
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, what: &str| {
        what.chars()
            .enumerate()
            .all(|(n, char)| chars.get(at + n) == Some(&char))
    };
    let mut at = 0;
    while at < chars.len() {
        match state {
            State::Comment => {
                let end = (at..chars.len()).find(|at| starts(*at, "*/"));
                let until = end.unwrap_or(chars.len());
                let comment: String = chars[at..until].iter().collect();
                line.without_strings.push_str(&comment);
                line.comment = Some(comment.trim_start_matches([' ', '*']).to_owned());
                at = until;
                if end.is_some() {
                    *state = State::Code;
                    at += 2;
                }
            }
            State::String(raw) => {
                let end = match raw {
                    Some(marks) => {
                        let close = format!("\"{}", "#".repeat(*marks));
                        (at..chars.len())
                            .find(|at| starts(*at, &close))
                            .map(|at| at + close.len())
                    }
                    None => end_of_string(&chars, at),
                };
                let until = end.unwrap_or(chars.len());
                line.strings.extend(&chars[at..until]);
                at = until;
                if end.is_some() {
                    // The quote, and the marks of a raw string.
                    let marks = raw.map_or(1, |marks| marks + 1);
                    line.strings.truncate(line.strings.len() - marks);
                    line.strings.push(' ');
                    line.without_strings.push('"');
                    *state = State::Code;
                }
            }
            State::Code if starts(at, "//") => {
                let comment: String = chars[at..].iter().collect();
                line.without_strings.push_str(&comment);
                let marks = ["///", "//!", "//~", "//"];
                let mark = marks.into_iter().find(|mark| comment.starts_with(mark));
                let rest = &comment[mark.map_or(0, str::len)..];
                line.comment = Some(rest.trim().to_owned());
                at = chars.len();
            }
            State::Code if starts(at, "/*") => {
                *state = State::Comment;
                at += 2;
            }
            State::Code if chars[at] == '"' => {
                line.without_strings.push('"');
                *state = State::String(None);
                at += 1;
            }
            State::Code if raw_string(&chars, at).is_some() => {
                let marks = raw_string(&chars, at).unwrap_or_default();
                line.without_strings.push_str("r\"");
                *state = State::String(Some(marks));
                at += 2 + marks;
            }
            State::Code if chars[at] == '\'' => {
                // A character, or a lifetime.
                let end = if chars.get(at + 1) == Some(&'\\') {
                    (at + 3..chars.len()).find(|at| chars[*at] == '\'')
                } else {
                    (chars.get(at + 2) == Some(&'\'')).then_some(at + 2)
                };
                let until = end.map_or(at + 1, |end| end + 1);
                line.without_strings.extend(&chars[at..until]);
                at = until;
            }
            State::Code => {
                line.without_strings.push(chars[at]);
                at += 1;
            }
        }
    }
    line
}

/// Returns where a string literal that began earlier ends, after its quote.
fn end_of_string(chars: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Returns how many `#` a raw string literal that begins here has.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let in_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let prefix = at > 0 && matches!(chars[at - 1], 'b' | 'c');
    if chars[at] != 'r' || (in_name && !prefix) {
        return None;
    }
    let marks = chars[at + 1..]
        .iter()
        .take_while(|char| **char == '#')
        .count();
    (chars.get(at + 1 + marks) == Some(&'"')).then_some(marks)
}

#[test]
fn strings_and_comments_are_told_apart() {
    let source = "let a = \"// no \\\" comment\"; // a comment\nlet b = r#\"one\n\"two\" // three\n\"#; \
                  let c = '\"';\n/* first\n * second */ code()\nfn f<'a>() {} /// \"doc\"\n";
    let found = lines(source);
    let strings: String = found.iter().map(|line| &*line.strings).collect();
    assert_eq!(strings, "// no \\\" comment one\"two\" // three ");
    let found: Vec<(String, Option<String>)> = found
        .into_iter()
        .map(|line| (line.without_strings, line.comment))
        .collect();
    let expected = [
        ("let a = \"\"; // a comment", Some("a comment")),
        ("let b = r\"", None),
        ("", None),
        ("\"; let c = '\"';", None),
        (" first", Some("first")),
        (" * second  code()", Some("second ")),
        ("fn f<'a>() {} /// \"doc\"", Some("\"doc\"")),
    ];
    let expected = expected.map(|(code, comment)| (code.to_owned(), comment.map(str::to_owned)));
    assert_eq!(found, expected);
}
