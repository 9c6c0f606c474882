// SPDX-License-Identifier: GPL-2.0-only
//! Words: comments, documentation, Markdown, messages and names of functions are in the plain words
//! of the kernel's own documentation.

use std::path::Path;

use regex_lite::Regex;

use crate::text::{self, Line};
use crate::{Broken, files};

/// Phrases that a reader stops at, and what to write.
const PHRASES: [(&str, &str); 17] = [
    (r"\bstands?\b", "say what it is, or where it is"),
    (r"\bstood\b", "say what it was, or where it was"),
    (r"\blies\b", "say where it is"),
    (r"\bis no\b", "`is not a …`"),
    (r"\bare no\b", "`are not …`"),
    (r"\bbe it\b", "`whether … or …`"),
    (r"\bin its stead\b", "`instead`"),
    (r"\bin their stead\b", "`instead`"),
    (r"\bof ours\b", "`our …`"),
    (r"\bof its own accord\b", "`by itself`"),
    (r"\bfor sure\b", "`certainly`, or nothing"),
    (r"\bwherefore\b", "`why`"),
    (r"\bthereof\b", "`of it`"),
    (r"\bshall\b", "`must` or `will`"),
    (r"\bwhosoever\b", "name the subject"),
    (r"\bgrave(r|st)\b", "`more severe`, `most severe`"),
    (r"\bsaid so\b", "say what is printed"),
];

/// Other meanings of these phrases.
const EXCEPTIONS: [&str; 8] = [
    r"\bstands? (alone|for)\b",
    r"\bis no(t| longer| evidence)\b",
    r"\bare no(t| longer)\b",
    r"`[^`]*`",
    r"\bstandard\b",
    r"\b[Tt]here (is|are) no\b",
    r"\bstandstill\b",
    r"\bunderstands?\b",
];

/// Beginnings of sentences that lack a subject, or have a clause as the subject.
const HEADLESS: &str =
    r"^(Whether|What|Which|Where|Who|Whose|Whom|That a|That an|That the|Of the|As of) ";

/// The same at the beginning of a function's name, in words.
const HEADLESS_NAME: &str = r"^(whether|what|which|where|who|whose|whom|that) ";

/// The rules, compiled.
struct Rules {
    phrases: Vec<(Regex, &'static str)>,
    exceptions: Vec<Regex>,
    any: Regex,
    headless: Regex,
    headless_name: Regex,
    name: Regex,
}

impl Rules {
    fn new() -> Self {
        Self {
            phrases: PHRASES
                .iter()
                .map(|(phrase, instead)| (Regex::new(phrase).unwrap(), *instead))
                .collect(),
            exceptions: EXCEPTIONS.map(|e| Regex::new(e).unwrap()).into(),
            any: Regex::new(&PHRASES.map(|(phrase, _)| phrase).join("|")).unwrap(),
            headless: Regex::new(HEADLESS).unwrap(),
            headless_name: Regex::new(HEADLESS_NAME).unwrap(),
            name: Regex::new(r"\bfn (\w+)").unwrap(),
        }
    }

    /// Returns the phrases in `text` that a reader stops at.
    fn phrases(&self, text: &str) -> Vec<String> {
        // Most lines have none.
        if !self.any.is_match(text) {
            return Vec::new();
        }
        let mut rest = text.to_owned();
        for exception in &self.exceptions {
            rest = exception.replace_all(&rest, "").into_owned();
        }
        let found = self.phrases.iter().filter_map(|(regex, instead)| {
            let found = regex.find(&rest)?;
            Some(format!("{:?}: {instead}: {text}", found.as_str()))
        });
        found.collect()
    }

    /// Returns the sentence of `text` that begins without a subject. The text itself begins a
    /// sentence if `begins` is set.
    fn headless(&self, text: &str, begins: bool) -> Option<String> {
        let mut sentences = text.split_inclusive(". ").skip(usize::from(!begins));
        let found = sentences.find(|sentence| {
            self.headless.is_match(sentence) && !sentence.trim_end().ends_with('?')
        })?;
        Some(format!("begins without a subject: {found}"))
    }

    /// Returns the reasons why the names of the functions that `code` declares are not plain.
    fn names(&self, code: &str) -> Vec<String> {
        let mut broken = Vec::new();
        for name in self.name.captures_iter(code) {
            let words = name[1].replace('_', " ");
            broken.extend(self.phrases(&words));
            if self.headless_name.is_match(&words) {
                broken.push(format!("does not say what is true: fn {}", &name[1]));
            }
        }
        broken
    }
}

/// Returns the lines that break a rule.
pub(crate) fn broken() -> Vec<Broken> {
    let rules = Rules::new();
    let mut broken = Vec::new();
    for file in files(&["rs", "c", "h", "md", "toml", "yml"]) {
        // This file names what it refuses.
        if file.path.ends_with(Path::new("house/words.rs")) {
            continue;
        }
        let mut begins = true;
        for (number, line) in (1..).zip(lines(&file.path, &file.text)) {
            let mut found = Vec::new();
            if let Some(comment) = &line.comment {
                found.extend(rules.phrases(comment));
                found.extend(rules.headless(comment, begins));
            }
            begins = line
                .comment
                .is_none_or(|comment| comment.is_empty() || comment.ends_with('.'));
            found.extend(rules.phrases(&line.strings));
            found.extend(rules.names(&line.without_strings));
            broken.extend(found.into_iter().map(|rule| Broken {
                path: file.path.clone(),
                line: number,
                rule,
            }));
        }
    }
    broken
}

#[test]
fn each_rule_finds_its_fault() {
    let rules = Rules::new();
    assert_eq!(rules.phrases("it stands for `it stands`"), [""; 0]);
    assert_eq!(rules.phrases("it is no file").len(), 1);
    assert!(rules.headless("One. What is read", false).is_some());
    assert!(rules.headless("What is read", true).is_some());
    assert!(rules.headless("What is read", false).is_none());
    assert!(rules.headless("Why? What is read?", true).is_none());
    assert_eq!(rules.names("fn what_is_read() {}").len(), 1);
    assert_eq!(rules.names("fn a_file_that_is_no_file() {}").len(), 1);
    assert_eq!(rules.names("fn a_file_that_is_not_one() {}"), [""; 0]);
}

/// Returns the lines of a file: their comments or their prose, and in Rust and C their code and
/// strings too. Code in documentation is left out.
fn lines(path: &Path, source: &str) -> Vec<Line> {
    let comment = |comment| Line {
        comment,
        ..Line::default()
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("md") => {
            let mut code = false;
            let prose = source.lines().map(|line| {
                let fence = line.trim_start().starts_with("```");
                code ^= fence;
                let text = line.trim_start_matches(['-', '*', '|', ' ']).to_owned();
                comment((!code && !fence).then_some(text))
            });
            prose.collect()
        }
        Some("toml" | "yml") => {
            let hashes = source.lines().map(|line| {
                let text = line.trim_start().strip_prefix('#');
                comment(text.map(|rest| rest.trim().to_owned()))
            });
            hashes.collect()
        }
        _ => {
            let mut code = false;
            let mut lines = text::lines(source);
            for line in &mut lines {
                let Some(comment) = &line.comment else {
                    continue;
                };
                let fence = comment.starts_with("```");
                code ^= fence;
                if code || fence {
                    line.comment = None;
                }
            }
            lines
        }
    }
}
