// SPDX-License-Identifier: GPL-2.0-only
//! The report for a terminal: one line for each finding, and a picture of each struct that changed.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::picture::{self, Mark};
use super::visible::visible;
use super::{Comparison, ComparisonKind, DriftReport, Finding, Verdict, fold, summary};
use crate::usage::Role;

/// The choice of structs to draw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pictures {
    /// No struct.
    None,
    /// The structs that the code allocates or whose fields it uses.
    #[default]
    Used,
    /// All structs whose layouts differ.
    All,
}

/// The options of the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// With colours.
    pub colour: bool,
    /// With pictures.
    pub pictures: Pictures,
}

/// Returns the report as text: each comparison, and the last line.
pub fn render(report: &DriftReport, options: Options) -> String {
    let mut out: String = report
        .checks
        .iter()
        .map(|check| one(check, options))
        .collect();
    out += &last_line(report);
    out
}

/// Returns one comparison of a report as text.
pub fn one(check: &Comparison, options: Options) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", paint(options, "1", &visible(&check.title())));
    lines(&mut out, check, options);
    pictures(&mut out, check, options);
    out.push('\n');
    out
}

/// Returns the summary of the report.
pub fn last_line(report: &DriftReport) -> String {
    format!("{}\n", summary(report))
}

fn lines(out: &mut String, check: &Comparison, options: Options) {
    if check.kind == ComparisonKind::Module {
        let _ = writeln!(out, "  {}: {}", check.of_module(), check.looked_at.words());
    } else if check.findings.is_empty() {
        let _ = writeln!(out, "  no drift: {}", check.looked_at.words());
    }
    if let Some(scope) = &check.scope {
        let _ = writeln!(out, "  scope: {}", scope.words());
    }
    for folded in fold(&check.findings) {
        let finding = folded.first;
        let word = if finding.accepted.is_some() {
            "accepted"
        } else {
            finding.verdict.word()
        };
        let word = format!("{word:<11}");
        let word = paint(options, colour(finding), &word);
        if folded.more.is_empty() {
            let _ = writeln!(
                out,
                "  {word} {}: {}",
                visible(&finding.name),
                visible(&finding.text)
            );
        } else {
            let texts = folded.words();
            let _ = writeln!(
                out,
                "  {word} {}: {}",
                visible(folded.name),
                visible(&texts)
            );
        }
        // A finding that keeps working needs no reason on its line, because the verdict is enough.
        if finding.verdict != Verdict::Keeps || finding.accepted.is_some() {
            let why = finding
                .accepted
                .as_ref()
                .map_or_else(|| finding.reason.clone(), |why| format!("accepted: {why}"));
            let _ = writeln!(out, "              {}", paint(options, "2", &visible(&why)));
        }
    }
}

fn pictures(out: &mut String, check: &Comparison, options: Options) {
    for (name, layouts) in &check.layouts {
        let role = check.role_of(name);
        let drawn = match options.pictures {
            Pictures::None => false,
            Pictures::Used => role.is_some_and(|role| role != Role::Opaque),
            Pictures::All => true,
        };
        let both = [&layouts.before, &layouts.after];
        if !drawn
            || both
                .into_iter()
                .flatten()
                .all(|type_| type_.fields.is_empty())
        {
            continue;
        }
        let used = check.used_of(name);
        let rows = picture::rows(name, layouts, (&check.against, &check.kernel), &|path| {
            used.contains(path)
        });
        out.push('\n');
        for row in rows {
            let code = match row.mark {
                Mark::Frame | Mark::Same => "2",
                Mark::Gone => "31",
                Mark::New => "32",
                Mark::Moved => "33",
                Mark::Changed => "35",
            };
            let _ = writeln!(out, "    {}", paint(options, code, &row.line()));
        }
    }
}

fn colour(finding: &Finding) -> &'static str {
    match finding.verdict {
        _ if finding.accepted.is_some() => "2",
        Verdict::Keeps => "32",
        Verdict::Rebuild => "33",
        Verdict::Source => "31",
        Verdict::NotJudged => "36",
        Verdict::NoEvidence => "35",
    }
}

fn paint<'a>(options: Options, code: &str, text: &'a str) -> Cow<'a, str> {
    if options.colour {
        format!("\x1b[{code}m{text}\x1b[0m").into()
    } else {
        text.into()
    }
}
