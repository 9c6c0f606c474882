// SPDX-License-Identifier: GPL-2.0-only
//! The expansion of `macro_rules!` macros, for the part of the language that the safe layer's
//! macros use.

use std::collections::HashMap;

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};

/// The macros of a file, by name.
#[derive(Default)]
pub(super) struct Rules(HashMap<String, Vec<Rule>>);

/// A pattern, and its expansion.
type Rule = (Vec<TokenTree>, Vec<TokenTree>);

/// The value of a name in a pattern.
#[derive(Clone)]
enum Bound {
    One(Vec<TokenTree>),
    /// The values of a name inside a repetition, one for each time.
    Each(Vec<Bound>),
}

type Binds = HashMap<String, Bound>;

impl Rules {
    /// Records `macro_rules! NAME { (PATTERN) => { BODY }; … }`.
    pub(super) fn define(&mut self, name: &Ident, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let groups = tokens.iter().filter_map(|token| match token {
            TokenTree::Group(group) => Some(group.stream().into_iter().collect::<Vec<_>>()),
            _ => None,
        });
        let groups: Vec<_> = groups.collect();
        let (pairs, _) = groups.as_chunks::<2>();
        let rules = pairs
            .iter()
            .map(|[pattern, body]| (pattern.clone(), body.clone()));
        self.0.insert(name.to_string(), rules.collect());
    }

    /// Expands a call; returns `None` if the macro is not known or does not match.
    pub(super) fn expand(&self, name: &Ident, input: TokenStream) -> Option<TokenStream> {
        let input: Vec<TokenTree> = input.into_iter().collect();
        self.0
            .get(&name.to_string())?
            .iter()
            .find_map(|(pattern, body)| {
                let (binds, taken) = matched(pattern, &input)?;
                (taken == input.len()).then(|| transcribed(body, &binds).into_iter().collect())
            })
    }
}

/// Matches the pattern with the start of the input. Returns the values of the names, and the number
/// of tokens that matched.
fn matched(pattern: &[TokenTree], input: &[TokenTree]) -> Option<(Binds, usize)> {
    let mut binds = Binds::new();
    let (mut at, mut taken) = (0, 0);
    while let Some(token) = pattern.get(at) {
        let rest = input.get(taken..).unwrap_or_default();
        match (is(token, '$'), pattern.get(at + 1), pattern.get(at + 3)) {
            (true, Some(TokenTree::Ident(name)), Some(TokenTree::Ident(kind))) => {
                let length = fragment(&kind.to_string(), rest)?;
                binds.insert(name.to_string(), Bound::One(rest.get(..length)?.to_vec()));
                (at, taken) = (at + 4, taken + length);
            }
            (true, Some(TokenTree::Group(group)), _) => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                let (separator, length) = repetition(&pattern[at + 2..]);
                let mut times = Vec::new();
                loop {
                    let rest = input.get(taken..).unwrap_or_default();
                    let skipped = match separator {
                        Some(separator) if !times.is_empty() => {
                            if !rest.first().is_some_and(|token| is(token, separator)) {
                                break;
                            }
                            1
                        }
                        _ => 0,
                    };
                    let Some((more, length)) =
                        matched(&inside, rest.get(skipped..).unwrap_or_default())
                    else {
                        break;
                    };
                    if length == 0 {
                        break;
                    }
                    taken += skipped + length;
                    times.push(more);
                }
                for name in names(&inside) {
                    let each = times
                        .iter()
                        .filter_map(|time| time.get(&name).cloned())
                        .collect();
                    binds.insert(name, Bound::Each(each));
                }
                at += 2 + length;
            }
            _ => {
                match (token, rest.first()?) {
                    (TokenTree::Group(wanted), TokenTree::Group(found))
                        if wanted.delimiter() == found.delimiter() =>
                    {
                        let inside: Vec<TokenTree> = found.stream().into_iter().collect();
                        let (more, length) =
                            matched(&wanted.stream().into_iter().collect::<Vec<_>>(), &inside)?;
                        if length != inside.len() {
                            return None;
                        }
                        binds.extend(more);
                    }
                    (TokenTree::Group(_), _) | (_, TokenTree::Group(_)) => return None,
                    (wanted, found) if wanted.to_string() == found.to_string() => {}
                    _ => return None,
                }
                (at, taken) = (at + 1, taken + 1);
            }
        }
    }
    Some((binds, taken))
}

/// Parses what follows the parentheses of a repetition: returns its separator, and the number of
/// tokens of the separator and the operator.
fn repetition(rest: &[TokenTree]) -> (Option<char>, usize) {
    let operator = |token: &TokenTree| {
        ['*', '+', '?']
            .into_iter()
            .any(|operator| is(token, operator))
    };
    match rest {
        [first, ..] if operator(first) => (None, 1),
        [TokenTree::Punct(separator), _, ..] => (Some(separator.as_char()), 2),
        _ => (None, rest.len().min(1)),
    }
}

/// Returns the names after `$` in a pattern or a body.
fn names(pattern: &[TokenTree]) -> Vec<String> {
    let mut names = Vec::new();
    for (at, token) in pattern.iter().enumerate() {
        match (token, pattern.get(at + 1)) {
            (TokenTree::Group(group), _) => {
                names.extend(self::names(&group.stream().into_iter().collect::<Vec<_>>()))
            }
            (token, Some(TokenTree::Ident(name))) if is(token, '$') => names.push(name.to_string()),
            _ => {}
        }
    }
    names
}

/// Returns how many tokens a fragment of this kind takes.
fn fragment(kind: &str, input: &[TokenTree]) -> Option<usize> {
    let first = input.first();
    match kind {
        "ident" => matches!(first?, TokenTree::Ident(_)).then_some(1),
        "literal" => match first? {
            TokenTree::Literal(_) => Some(1),
            token => {
                (is(token, '-') && matches!(input.get(1)?, TokenTree::Literal(_))).then_some(2)
            }
        },
        "tt" | "block" => first.map(|_| 1),
        "lifetime" => is(first?, '\'').then_some(2),
        "vis" => Some(match (first, input.get(1)) {
            (Some(TokenTree::Ident(word)), Some(TokenTree::Group(group))) if word == "pub" => {
                1 + usize::from(group.delimiter() == Delimiter::Parenthesis)
            }
            (Some(TokenTree::Ident(word)), _) if word == "pub" => 1,
            _ => 0,
        }),
        // An attribute's brackets contain nothing else.
        "meta" => Some(input.len()),
        // Types, paths and expressions end before a token that may follow them.
        _ => {
            let mut depth = 0u32;
            let mut joint = false;
            let end = input.iter().position(|token| {
                let TokenTree::Punct(punct) = token else {
                    joint = false;
                    return false;
                };
                let (before, letter) = (
                    std::mem::replace(&mut joint, punct.spacing() == Spacing::Joint),
                    punct.as_char(),
                );
                match letter {
                    '<' => depth += 1,
                    '>' if !before => depth = depth.saturating_sub(1),
                    ',' | ';' | '=' if depth == 0 => return true,
                    // `::` is part of a path.
                    ':' if depth == 0 && !before && !joint => return true,
                    _ => {}
                }
                false
            });
            Some(end.unwrap_or(input.len())).filter(|&length| length > 0)
        }
    }
}

/// Returns the body with the values of the names.
fn transcribed(body: &[TokenTree], binds: &Binds) -> Vec<TokenTree> {
    let mut made = Vec::new();
    let mut at = 0;
    while let Some(token) = body.get(at) {
        match (is(token, '$'), body.get(at + 1), token) {
            (true, Some(TokenTree::Ident(name)), _) if name == "crate" => {
                made.push(TokenTree::Ident(name.clone()));
                at += 2;
            }
            (true, Some(TokenTree::Ident(name)), _) if binds.contains_key(&name.to_string()) => {
                if let Some(Bound::One(tokens)) = binds.get(&name.to_string()) {
                    made.extend(tokens.iter().cloned());
                }
                at += 2;
            }
            (true, Some(TokenTree::Group(group)), _) => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                let (separator, length) = repetition(&body[at + 2..]);
                let used = names(&inside);
                let each = used.iter().filter_map(|name| match binds.get(name) {
                    Some(Bound::Each(each)) => Some((name, each)),
                    _ => None,
                });
                let each: Vec<_> = each.collect();
                let times = each.iter().map(|(_, each)| each.len()).max().unwrap_or(0);
                for time in 0..times {
                    let mut binds = binds.clone();
                    for (name, each) in &each {
                        if let Some(one) = each.get(time) {
                            binds.insert((*name).clone(), one.clone());
                        }
                    }
                    if time > 0 && separator.is_some() {
                        made.push(body[at + 2].clone());
                    }
                    made.extend(transcribed(&inside, &binds));
                }
                at += 2 + length;
            }
            (_, _, TokenTree::Group(group)) => {
                let inside = transcribed(&group.stream().into_iter().collect::<Vec<_>>(), binds);
                let mut whole = Group::new(group.delimiter(), inside.into_iter().collect());
                whole.set_span(group.span());
                made.push(TokenTree::Group(whole));
                at += 1;
            }
            _ => {
                made.push(token.clone());
                at += 1;
            }
        }
    }
    made
}

fn is(token: &TokenTree, letter: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == letter)
}
