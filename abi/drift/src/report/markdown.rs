// SPDX-License-Identifier: GPL-2.0-only
//! The report as Markdown: a table for each comparison, and pictures to unfold. CI shows it as its
//! summary.

use std::fmt::Write as _;

use super::visible::visible;
use super::{Comparison, DriftReport, Verdict, fold, picture, summary};
use crate::usage::Role;

/// Returns the report as Markdown.
pub fn render(report: &DriftReport) -> String {
    let mut out = format!("# ABI drift\n\n{}\n", escape(&summary(report)));
    for check in &report.checks {
        let _ = write!(out, "\n## {}\n\n", escape(&check.title()));
        if let Some(scope) = &check.scope {
            let _ = write!(out, "Scope: {}.\n\n", escape(&scope.words()));
        }
        if check.findings.is_empty() {
            let _ = writeln!(out, "No drift: {}.", check.looked_at.words());
            continue;
        }
        // Findings that need no action are folded, because they are the majority.
        let folded = fold(&check.findings);
        let (quiet, loud): (Vec<_>, Vec<_>) = folded.iter().partition(|folded| {
            folded.first.verdict == Verdict::Keeps || folded.first.accepted.is_some()
        });
        table(&mut out, &loud);
        if !quiet.is_empty() {
            let _ = write!(
                out,
                "\n<details><summary>{} that need nothing</summary>\n\n",
                quiet.len()
            );
            table(&mut out, &quiet);
            out.push_str("\n</details>\n");
        }
        pictures(&mut out, check);
    }
    out
}

fn table(out: &mut String, rows: &[&super::Folded<'_>]) {
    if rows.is_empty() {
        return;
    }
    out.push_str("| verdict | name | what | why |\n|---|---|---|---|\n");
    for folded in rows {
        let finding = folded.first;
        let word = if finding.accepted.is_some() {
            "accepted"
        } else {
            finding.verdict.word()
        };
        let text = if folded.more.is_empty() {
            finding.text.clone()
        } else {
            folded.words()
        };
        let why = finding.accepted.as_ref().unwrap_or(&finding.reason);
        let _ = writeln!(
            out,
            "| {word} | {} | {} | {} |",
            code(folded.name),
            escape(&text),
            escape(why)
        );
    }
}

fn pictures(out: &mut String, check: &Comparison) {
    for (name, layouts) in &check.layouts {
        let both = [&layouts.before, &layouts.after];
        let has_fields = both
            .into_iter()
            .flatten()
            .any(|type_| !type_.fields.is_empty());
        if !has_fields || check.role_of(name).is_none_or(|role| role == Role::Opaque) {
            continue;
        }
        let used = check.used_of(name);
        let rows = picture::rows(name, layouts, (&check.against, &check.kernel), &|path| {
            used.contains(path)
        });
        let _ = write!(
            out,
            "\n<details><summary>{} before and after</summary>\n\n",
            html(&visible(name))
        );
        // Indented text is shown literally, with any contents.
        for row in rows {
            let _ = writeln!(out, "    {}", row.line());
        }
        out.push_str("\n</details>\n");
    }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Escapes what Markdown, a table or HTML would interpret.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // A line break in a text means no more than a blank.
    let text = text.replace(['\n', '\r'], " ");
    for c in visible(&text).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// Returns a name as code. It uses HTML's element, since the name could end a code span.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escape("__a|b<c>&*`\nd"),
            "\\_\\_a\\|b&lt;c&gt;&amp;\\*\\` d"
        );
        assert_eq!(code("a_b"), "<code>a\\_b</code>");
    }
}
