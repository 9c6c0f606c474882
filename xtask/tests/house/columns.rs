// SPDX-License-Identifier: GPL-2.0-only
//! Width: 100 columns, for code, comments and Markdown.

use crate::{Broken, File, files, text};

/// The width that rustfmt and the kernel's `checkpatch.pl` allow.
const WIDTH: usize = 100;

/// Returns the lines that are wider and could be wrapped.
///
/// Lines that cannot be wrapped are left out: URLs and links, rows of tables, printed output, string
/// literals and patterns.
pub(crate) fn broken() -> Vec<Broken> {
    let mut broken = Vec::new();
    for file in files(&["rs", "c", "h", "js", "md", "toml", "yml", "config"]) {
        let wide = match file
            .path
            .extension()
            .and_then(|extension| extension.to_str())
        {
            Some("md") => in_markdown(&file),
            Some("toml" | "yml" | "config") => in_data(&file),
            _ => in_source(&file),
        };
        broken.extend(wide.into_iter().map(|line| Broken {
            path: file.path.clone(),
            line,
            rule: format!("more than {WIDTH} columns"),
        }));
    }
    broken
}

fn is_wide(line: &str) -> bool {
    line.chars().count() > WIDTH
}

fn in_source(file: &File) -> Vec<usize> {
    let mut wide = Vec::new();
    for (number, line) in (1..).zip(text::lines(&file.text)) {
        let comment = line.comment.unwrap_or_default();
        let table = comment.starts_with('|') || comment.trim_start().starts_with("|");
        if is_wide(&line.without_strings) && !table && !comment.contains("://") {
            wide.push(number);
        }
    }
    wide
}

fn in_markdown(file: &File) -> Vec<usize> {
    let mut wide = Vec::new();
    let mut printed = false;
    for (number, line) in (1..).zip(file.text.lines()) {
        let start = line.trim_start();
        if start.starts_with("```") {
            printed = !printed
                && ["```console", "```text", "```json"]
                    .iter()
                    .any(|kind| start.starts_with(kind));
        }
        let unbreakable = start.starts_with('|') || line.contains("](") || line.contains("://");
        if is_wide(line) && !printed && !unbreakable {
            wide.push(number);
        }
    }
    wide
}

/// TOML and YAML: comments are wrapped, and so are lists; one string may be long.
fn in_data(file: &File) -> Vec<usize> {
    let mut wide = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let comment = line.trim_start().starts_with('#');
        let longest = line
            .split(['"', '\''])
            .map(|part| part.chars().count())
            .max();
        let one_string = !comment && longest.is_some_and(|longest| longest + 40 > WIDTH - 40);
        if is_wide(line) && !one_string && !line.contains("://") {
            wide.push(number);
        }
    }
    wide
}
