// SPDX-License-Identifier: GPL-2.0-only
//! Format strings, in the syntax of `core::fmt`.
//!
//! ```text
//! placeholder := '{' [argument] [':' spec] [spaces] '}'
//! argument    := integer | identifier
//! spec        := [[fill] align] [sign] ['#'] ['0'] [width] ['.' precision] [type]
//! align       := '<' | '^' | '>'
//! width       := integer | argument '$'
//! precision   := integer | argument '$' | '*'
//! ```

use std::iter::Peekable;
use std::str::Chars;

/// A piece of a format string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text, in which `{{` and `}}` have become `{` and `}`.
    Text(String),
    /// A placeholder.
    Placeholder(Placeholder),
}

/// The argument that a placeholder uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Which {
    /// The next argument.
    #[default]
    Next,
    /// The argument at this index.
    At(usize),
    /// The argument of this name or, if there is none, the variable.
    Named(String),
}

/// A width or a precision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Count {
    /// A number in the format string.
    Is(u16),
    /// The value of an argument.
    Argument(Which),
}

/// The alignment of a value within its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// `<`
    Left,
    /// `^`
    Centre,
    /// `>`
    Right,
}

/// A placeholder: the part of a format string between two braces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Placeholder {
    /// The argument. With `.*` it is the one after the precision.
    pub(crate) which: Which,
    /// The character that fills up the width, if one is given.
    pub(crate) fill: Option<char>,
    /// The alignment, if one is given.
    pub(crate) align: Option<Align>,
    /// `+`
    pub(crate) plus: bool,
    /// `#`
    pub(crate) alternate: bool,
    /// `0`
    pub(crate) zero: bool,
    /// The minimum width.
    pub(crate) width: Option<Count>,
    /// The precision. For `.*` it is the next argument.
    pub(crate) precision: Option<Count>,
    /// The type, one of [`TYPES`].
    pub(crate) kind: &'static str,
}

/// The format types of `core::fmt`.
const TYPES: [&str; 11] = ["", "?", "x?", "X?", "x", "X", "o", "b", "e", "E", "p"];

/// Parses a format string. On failure, returns a message that says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\0' => return Err("a message can't hold a NUL: it would end there".into()),
            '{' | '}' if chars.next_if_eq(&c).is_some() => plain.push(c),
            '{' => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Placeholder(placeholder(&mut chars)?));
            }
            '}' => return Err("unmatched `}`: write `}}` for the character".into()),
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// Parses a placeholder from after its `{` up to and including its `}`.
fn placeholder(chars: &mut Peekable<Chars<'_>>) -> Result<Placeholder, String> {
    const UNMATCHED: &str = "unmatched `{`: write `{{` for the character";
    // A brace can be the fill character: the first one of a spec, if an alignment follows.
    let mut inner = String::new();
    let mut at_spec = false;
    loop {
        let c = chars.next().ok_or(UNMATCHED)?;
        let filling = at_spec && chars.peek().is_some_and(|&next| align(next).is_some());
        match c {
            '}' if !filling => break,
            '{' if !filling => return Err(UNMATCHED.into()),
            '\0' => return Err("a message can't hold a NUL: it would end there".into()),
            _ => {}
        }
        at_spec = c == ':' && !inner.contains(':');
        inner.push(c);
    }
    let bad = || format!("`{{{inner}}}` is not a placeholder of `core::fmt`");
    let (argument, spec) = inner.split_once(':').unwrap_or((&inner, ""));
    let which = match argument.trim() {
        "" => Which::Next,
        argument => which(argument).ok_or_else(bad)?,
    };
    let mut rest = spec.trim_end();

    let (mut fill, mut alignment) = (None, None);
    let mut first = rest.chars();
    if let (Some(one), Some(two)) = (first.next(), first.next())
        && let Some(found) = align(two)
    {
        (fill, alignment) = (Some(one), Some(found));
        rest = first.as_str();
    } else if let Some(found) = rest.chars().next().and_then(align) {
        alignment = Some(found);
        rest = &rest[1..];
    }

    let plus = eat(&mut rest, '+');
    if !plus {
        // core::fmt accepts `-` but gives it no meaning.
        eat(&mut rest, '-');
    }
    let alternate = eat(&mut rest, '#');
    // In `0$`, the zero is not the flag: argument 0 is the width.
    let zero = !rest.starts_with("0$") && eat(&mut rest, '0');
    let width = count(&mut rest).map_err(|problem| problem.unwrap_or_else(bad))?;
    let precision = if !eat(&mut rest, '.') {
        None
    } else if eat(&mut rest, '*') {
        Some(Count::Argument(Which::Next))
    } else {
        Some(
            count(&mut rest)
                .map_err(|problem| problem.unwrap_or_else(bad))?
                .ok_or_else(bad)?,
        )
    };
    let kind = TYPES.into_iter().find(|kind| *kind == rest).ok_or_else(|| {
        if rest.chars().all(char::is_alphanumeric) {
            format!("unknown format type `{rest}` in `{{{inner}}}`: there are `?`, `x`, `X`, `o`, `b`, `e`, `E`, `p`")
        } else {
            bad()
        }
    })?;
    Ok(Placeholder {
        which,
        fill,
        align: alignment,
        plus,
        alternate,
        zero,
        width,
        precision,
        kind,
    })
}

/// Returns the alignment that a character denotes.
const fn align(c: char) -> Option<Align> {
    match c {
        '<' => Some(Align::Left),
        '^' => Some(Align::Centre),
        '>' => Some(Align::Right),
        _ => None,
    }
}

/// Removes a character from the front. Returns `true` if it was there.
fn eat(rest: &mut &str, c: char) -> bool {
    let found = rest.strip_prefix(c);
    *rest = found.unwrap_or(rest);
    found.is_some()
}

/// Removes a width or a precision from the front, if there is one. The error `None` means that the
/// whole placeholder is wrong.
fn count(rest: &mut &str) -> Result<Option<Count>, Option<String>> {
    let len = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let (word, after) = rest.split_at(len);
    if let Some(after) = after.strip_prefix('$') {
        *rest = after;
        return which(word)
            .map(|which| Some(Count::Argument(which)))
            .ok_or(None);
    }
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    if digits == 0 {
        return Ok(None);
    }
    let (number, after) = rest.split_at(digits);
    *rest = after;
    let number = number
        .parse()
        .map_err(|_| Some(format!("{number} is too large for a width or a precision")))?;
    Ok(Some(Count::Is(number)))
}

/// Parses an index or a name.
fn which(word: &str) -> Option<Which> {
    if let Ok(index) = word.parse() {
        return word
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then_some(Which::At(index));
    }
    let mut chars = word.chars();
    let starts = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let goes_on = chars.all(|c| c.is_alphanumeric() || c == '_');
    (starts && goes_on && word != "_").then(|| Which::Named(word.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Placeholder {
        match parse(text).as_deref() {
            Ok([Piece::Placeholder(placeholder)]) => placeholder.clone(),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn plain() -> Placeholder {
        Placeholder::default()
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err()
    }

    #[test]
    fn text_and_braces() {
        assert_eq!(parse(""), Ok(vec![]));
        assert_eq!(
            parse("100% {{x}}\n"),
            Ok(vec![Piece::Text("100% {x}\n".into())])
        );
        assert_eq!(
            parse("a{}{}b"),
            Ok(vec![
                Piece::Text("a".into()),
                Piece::Placeholder(plain()),
                Piece::Placeholder(plain()),
                Piece::Text("b".into())
            ])
        );
        assert_eq!(parse("{{{}}}").unwrap().len(), 3);
    }

    #[test]
    fn arguments() {
        assert_eq!(one("{}"), plain());
        assert_eq!(one("{:}"), plain());
        assert_eq!(one("{ }"), plain());
        assert_eq!(one("{2}").which, Which::At(2));
        assert_eq!(one("{ 2 }").which, Which::At(2));
        assert_eq!(one("{name}").which, Which::Named("name".into()));
        assert_eq!(
            one("{_x1:x}"),
            Placeholder {
                which: Which::Named("_x1".into()),
                kind: "x",
                ..plain()
            }
        );
        assert_eq!(one("{é}").which, Which::Named("é".into()));
        for bad in ["{_}", "{1a}", "{a b}", "{+1}", "{a.b}", "{-}"] {
            assert!(error(bad).contains("not a placeholder"), "{bad}");
        }
    }

    #[test]
    fn specs() {
        assert_eq!(one("{:x}").kind, "x");
        assert_eq!(
            one("{:#?}"),
            Placeholder {
                alternate: true,
                kind: "?",
                ..plain()
            }
        );
        assert_eq!(one("{:x?}").kind, "x?");
        assert_eq!(
            one("{:#010x}"),
            Placeholder {
                alternate: true,
                zero: true,
                width: Some(Count::Is(10)),
                kind: "x",
                ..plain()
            }
        );
        assert_eq!(
            one("{:08}"),
            Placeholder {
                zero: true,
                width: Some(Count::Is(8)),
                ..plain()
            }
        );
        assert_eq!(
            one("{:0}"),
            Placeholder {
                zero: true,
                ..plain()
            }
        );
        assert_eq!(
            one("{:+}"),
            Placeholder {
                plus: true,
                ..plain()
            }
        );
        assert_eq!(
            one("{:-5}"),
            Placeholder {
                width: Some(Count::Is(5)),
                ..plain()
            }
        );
        assert_eq!(
            one("{:.3}"),
            Placeholder {
                precision: Some(Count::Is(3)),
                ..plain()
            }
        );
        assert_eq!(
            one("{:5 }"),
            Placeholder {
                width: Some(Count::Is(5)),
                ..plain()
            }
        );
    }

    #[test]
    fn alignment_and_fill() {
        assert_eq!(
            one("{:<5}"),
            Placeholder {
                align: Some(Align::Left),
                width: Some(Count::Is(5)),
                ..plain()
            }
        );
        assert_eq!(one("{:^5}").align, Some(Align::Centre));
        let filled = |fill| Placeholder {
            fill: Some(fill),
            align: Some(Align::Right),
            width: Some(Count::Is(5)),
            ..plain()
        };
        for fill in ['*', '<', '0', ' ', '}', '{', ':', 'é'] {
            assert_eq!(one(&format!("{{:{fill}>5}}")), filled(fill), "{fill}");
        }
    }

    #[test]
    fn counts_that_are_arguments() {
        let named = |name: &str| Some(Count::Argument(Which::Named(name.into())));
        assert_eq!(
            one("{:w$}"),
            Placeholder {
                width: named("w"),
                ..plain()
            }
        );
        assert_eq!(one("{:1$}").width, Some(Count::Argument(Which::At(1))));
        assert_eq!(
            one("{:0$}"),
            Placeholder {
                width: Some(Count::Argument(Which::At(0))),
                ..plain()
            }
        );
        assert_eq!(one("{:00$}").width, Some(Count::Argument(Which::At(0))));
        assert_eq!(
            one("{:w$.p$x}"),
            Placeholder {
                width: named("w"),
                precision: named("p"),
                kind: "x",
                ..plain()
            }
        );
        assert_eq!(one("{:.*}").precision, Some(Count::Argument(Which::Next)));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert!(error("a\0b").contains("NUL"));
        assert!(error("{:\0>5}").contains("NUL"));
        assert!(error("{").contains("unmatched `{`"));
        assert!(error("{:5").contains("unmatched `{`"));
        assert!(error("{a{}").contains("unmatched `{`"));
        assert!(error("}").contains("unmatched `}`"));
        assert!(error("{:d}").contains("unknown format type `d`"));
        assert!(error("{:xx}").contains("unknown format type `xx`"));
        assert!(error("{:.}").contains("not a placeholder"));
        assert!(error("{:5%}").contains("not a placeholder"));
        assert!(error("{:65536}").contains("65536 is too large"));
        assert!(error("{:99999999999999999999}").contains("too large"));
    }
}
