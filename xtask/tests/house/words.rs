// SPDX-License-Identifier: GPL-2.0-only
//! Words: comments, documentation and Markdown are in the plain words of the kernel's own
//! documentation.

use std::path::Path;

use regex_lite::Regex;

use crate::{Broken, files, text};

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

/// What these phrases mean elsewhere.
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

/// How a sentence does not begin: without its subject.
const HEADLESS: &str = r"^(Whether|What|Who|Whose|Whom|That a|That an|That the|Of the|As of) ";

/// Returns the lines with such a phrase, and the paragraphs that begin without a subject.
pub(crate) fn broken() -> Vec<Broken> {
    let phrases = PHRASES.map(|(phrase, instead)| (Regex::new(phrase).unwrap(), instead));
    let exceptions = EXCEPTIONS.map(|exception| Regex::new(exception).unwrap());
    let any = Regex::new(&PHRASES.map(|(phrase, _)| phrase).join("|")).unwrap();
    let headless = Regex::new(HEADLESS).unwrap();
    let mut broken = Vec::new();
    for file in files(&["rs", "c", "h", "md", "toml", "yml"]) {
        // This file names what it refuses.
        if file.path.ends_with(Path::new("house/words.rs")) {
            continue;
        }
        let mut before = None;
        for (number, comment) in (1..).zip(comments(&file.path, &file.text)) {
            let begins = before.is_none_or(|before: String| before.is_empty());
            before = comment.clone();
            let Some(comment) = comment else { continue };
            let mut rest = comment.clone();
            // Most lines have none.
            let suspect = any.is_match(&comment);
            for exception in exceptions.iter().filter(|_| suspect) {
                rest = exception.replace_all(&rest, "").into_owned();
            }
            let mut add = |rule| {
                broken.push(Broken {
                    path: file.path.clone(),
                    line: number,
                    rule,
                })
            };
            for (regex, instead) in phrases.iter().filter(|_| suspect) {
                if let Some(found) = regex.find(&rest) {
                    add(format!("{:?}: {instead}: {comment}", found.as_str()));
                }
            }
            if begins && headless.is_match(&comment) && !comment.ends_with('?') {
                add(format!("begins without a subject: {comment}"));
            }
        }
    }
    broken
}

/// Returns the text of each line that is a comment, or prose.
fn comments(path: &Path, source: &str) -> Vec<Option<String>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("md") => {
            let mut code = false;
            source
                .lines()
                .map(|line| {
                    let fence = line.trim_start().starts_with("```");
                    code ^= fence;
                    (!code && !fence)
                        .then(|| line.trim_start_matches(['-', '*', '|', ' ']).to_owned())
                })
                .collect()
        }
        Some("toml" | "yml") => source
            .lines()
            .map(|line| {
                line.trim_start()
                    .strip_prefix('#')
                    .map(|rest| rest.trim().to_owned())
            })
            .collect(),
        _ => {
            let mut code = false;
            text::lines(source)
                .into_iter()
                .map(|line| {
                    let comment = line.comment?;
                    let fence = comment.starts_with("```");
                    code ^= fence;
                    (!code && !fence).then_some(comment)
                })
                .collect()
        }
    }
}
