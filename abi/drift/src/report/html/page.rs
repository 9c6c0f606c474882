// SPDX-License-Identifier: GPL-2.0-only
//! The text of the page: all that is readable without JavaScript.

use std::fmt::Write;

use super::collect::{Collected, Column, Group, Variant};
use super::escape::Text;
use crate::report::{
    Comparison, ComparisonKind, DriftReport, Finding, LookedAt, Verdict, counted, summary,
};
use crate::usage::Role;

const STYLE: &str = include_str!("page.css");
const DRAWING: &str = include_str!("draw.js");
const SCRIPT: &str = include_str!("page.js");

/// How many runs of kernels an article lists before it gives only their number.
const RUNS: usize = 12;

/// Returns the mark of a verdict in a cell: a class for the colour, and a letter for readers who do
/// not see colours.
fn mark(verdict: Option<Verdict>) -> (&'static str, &'static str, &'static str) {
    match verdict {
        Some(Verdict::Keeps) => ("k", "K", "keeps"),
        Some(Verdict::Rebuild) => ("r", "R", "rebuild"),
        Some(Verdict::NotJudged) => ("j", "J", "not judged"),
        Some(Verdict::Source) => ("s", "S", "source"),
        Some(Verdict::NoEvidence) => ("n", "?", "no evidence"),
        None => ("a", "A", "accepted"),
    }
}

/// Returns the meaning of a verdict, for the legend.
fn meaning(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Keeps) => "drift; the same object keeps working",
        Some(Verdict::Rebuild) => "the same source, compiled again, works",
        Some(Verdict::NotJudged) => "it has to be compiled again; its source was not judged",
        Some(Verdict::Source) => "the source has to change",
        Some(Verdict::NoEvidence) => "there is not enough evidence; this never passes",
        None => "all findings are in the list of accepted drift",
    }
}

const MARKS: [Option<Verdict>; 6] = [
    Some(Verdict::NoEvidence),
    Some(Verdict::Source),
    Some(Verdict::NotJudged),
    Some(Verdict::Rebuild),
    Some(Verdict::Keeps),
    None,
];

// Writing to a String never fails, so the macro drops the result.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

pub(super) fn page(report: &DriftReport, collected: &Collected<'_>) -> String {
    let mut out = String::new();
    out.push_str(concat!(
        "<!DOCTYPE html>\n<!-- SPDX-License-Identifier: GPL-2.0-only -->\n<html lang=\"en\">\n<head>\n",
        "<meta charset=\"utf-8\">\n",
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; ",
        "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta name=\"referrer\" content=\"no-referrer\">\n",
        "<title>check-abi</title>\n<style>\n",
    ));
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n");
    head(report, &mut out);
    filters(collected, &mut out);
    out.push_str("<main>\n");
    matrix(report, collected, &mut out);
    out.push_str("<section id=\"detail\" aria-labelledby=\"detail-title\" hidden></section>\n");
    articles(report, collected, &mut out);
    out.push_str("</main>\n<script type=\"application/json\" id=\"data\">");
    out.push_str(&super::data::data(collected));
    out.push_str("</script>\n<script>\n");
    out.push_str(DRAWING);
    out.push_str(SCRIPT);
    out.push_str("</script>\n</body>\n</html>\n");
    out
}

fn kind(kind: ComparisonKind) -> &'static str {
    match kind {
        ComparisonKind::Bindings => "bindings and kernel",
        ComparisonKind::Kernels => "kernel and kernel",
        ComparisonKind::Module => "module and kernel",
    }
}

fn head(report: &DriftReport, out: &mut String) {
    out.push_str("<header>\n<div class=\"bar\"><h1>check-abi</h1>");
    out.push_str("<button type=\"button\" id=\"theme\" hidden>Light or dark</button></div>\n");
    put!(out, "<p class=\"sum\">{}</p>\n", Text(summary(report)));
    let looked_at = report
        .checks
        .iter()
        .fold(LookedAt::default(), |all, check| all.and(check.looked_at));
    out.push_str("<dl class=\"facts\">\n");
    let mut fact = |name: &str, value: String| {
        put!(out, "<div><dt>{name}</dt><dd>{}</dd></div>\n", Text(value))
    };
    for of in [
        ComparisonKind::Bindings,
        ComparisonKind::Kernels,
        ComparisonKind::Module,
    ] {
        let count = report
            .checks
            .iter()
            .filter(|check| check.kind == of)
            .count();
        if count > 0 {
            fact(kind(of), counted(count, "comparison"));
        }
    }
    if let Some(against) = one_side(report) {
        fact("before", against.to_owned());
    }
    fact("compared in total", looked_at.words());
    if !report.tool.is_empty() {
        fact("tool", report.tool.clone());
    }
    out.push_str("</dl>\n");
    let clean = report
        .checks
        .iter()
        .filter(|check| check.findings.is_empty())
        .count();
    out.push_str("<table class=\"totals\"><caption>Comparisons by their most severe verdict</caption>\n<tr><th scope=\"col\">Verdict</th><th scope=\"col\">Comparisons</th><th scope=\"col\">Findings</th><th scope=\"col\">Meaning</th></tr>\n");
    for verdict in MARKS {
        let (class, letter, word) = mark(verdict);
        let checks = report
            .checks
            .iter()
            .filter(|check| !check.findings.is_empty() && check.verdict() == verdict);
        let all = report.checks.iter().flat_map(|check| &check.findings);
        let findings =
            all.filter(|finding| finding.accepted.is_none().then_some(finding.verdict) == verdict);
        put!(
            out,
            "<tr><th scope=\"row\"><b class=\"m {class}\" aria-hidden=\"true\">{letter}</b> {word}</th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            checks.count(),
            findings.count(),
            meaning(verdict)
        );
    }
    put!(
        out,
        "<tr><th scope=\"row\"><b class=\"m\" aria-hidden=\"true\">·</b> nothing found</th><td>{clean}</td><td>0</td><td>no difference was found</td></tr>\n</table>\n</header>\n"
    );
}

/// Returns the other side, if all comparisons share it.
fn one_side(report: &DriftReport) -> Option<&str> {
    let (first, rest) = report.checks.split_first()?;
    let same = |check: &Comparison| check.against == first.against && check.kind == first.kind;
    rest.iter().all(same).then_some(first.against.as_str())
}

fn filters(collected: &Collected<'_>, out: &mut String) {
    if collected.rows.is_empty() {
        return;
    }
    out.push_str(concat!(
        "<form id=\"filters\" aria-label=\"What is shown\" hidden>\n",
        "<label>Kernel <input type=\"search\" name=\"kernel\" placeholder=\"6.12\" autocomplete=\"off\" spellcheck=\"false\"></label>\n",
        "<label>Flavour, architecture <input type=\"search\" name=\"flavour\" placeholder=\"amd64 !rt\" autocomplete=\"off\" spellcheck=\"false\" ",
        "title=\"The kernel’s name must contain each of these words, and none after a !\"></label>\n",
        "<label>Name <input type=\"search\" name=\"name\" placeholder=\"pci_dev\" autocomplete=\"off\" spellcheck=\"false\"></label>\n",
        "<fieldset><legend>Verdict</legend>\n",
    ));
    for verdict in MARKS {
        let (class, letter, word) = mark(verdict);
        put!(
            out,
            "<label><input type=\"checkbox\" name=\"verdict\" value=\"{class}\" checked> <b class=\"m {class}\" aria-hidden=\"true\">{letter}</b> {word}</label>\n"
        );
    }
    out.push_str(concat!(
        "</fieldset>\n<label><input type=\"checkbox\" name=\"used\"> only what the code uses</label>\n",
        "<button type=\"reset\">Show all</button>\n<output id=\"shown\" aria-live=\"polite\"></output>\n</form>\n",
    ));
}

fn matrix(report: &DriftReport, collected: &Collected<'_>, out: &mut String) {
    out.push_str("<h2 id=\"matrix-title\">Kernels by types and functions</h2>\n");
    if collected.rows.is_empty() {
        out.push_str("<p class=\"none\">Nothing was compared.</p>\n");
        return;
    }
    out.push_str("<noscript><p class=\"note\">Without JavaScript there are no filters and no pictures of layouts. A cell leads to its findings below.</p></noscript>\n");
    out.push_str("<div class=\"scroll\" role=\"region\" aria-labelledby=\"matrix-title\" tabindex=\"0\">\n<table id=\"matrix\">\n<thead><tr><th scope=\"col\" class=\"kernel\">Kernel</th><th scope=\"col\" class=\"v\">Most severe</th>");
    for column in &collected.columns {
        let class = match column.group {
            Group::Types => "",
            Group::Functions => " class=\"f\"",
            Group::Constants => " class=\"c\"",
            Group::Module => " class=\"o\"",
        };
        let label = column.label();
        put!(
            out,
            "\n<th scope=\"col\"{class} title=\"{0}: {1}\"><span>{0}</span></th>",
            Text(&label),
            counted(column.rows, "kernel")
        );
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let against = one_side(report).is_none();
    for (check, row) in report.checks.iter().zip(&collected.rows) {
        put!(out, "<tr data-key=\"{}\">", Text(&row.key));
        put!(
            out,
            "<th scope=\"row\" title=\"{}, before: {}\">{}",
            Text(&check.kernel),
            Text(&check.against),
            Text(&check.kernel)
        );
        if against {
            put!(out, " <small>{}</small>", Text(&check.against));
        }
        match check.verdict() {
            verdict if !check.findings.is_empty() => {
                let (class, letter, word) = mark(verdict);
                put!(out, "</th><td class=\"v {class}\"><b>{letter}</b> {word}");
            }
            _ => out.push_str("</th><td class=\"v\">· nothing"),
        }
        for column in 0..collected.columns.len() {
            match row.cells.get(&column) {
                Some(&variant) => {
                    let (class, letter, word) = mark(collected.variants[variant].verdict);
                    put!(
                        out,
                        "<td class={class}><a href=#v{variant} aria-label=\"{word}\">{letter}</a>"
                    );
                }
                None => out.push_str("<td>"),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn articles(report: &DriftReport, collected: &Collected<'_>, out: &mut String) {
    if collected.rows.is_empty() {
        return;
    }
    out.push_str("<section id=\"findings\" aria-labelledby=\"findings-title\">\n<h2 id=\"findings-title\">Findings by name</h2>\n");
    if collected.columns.is_empty() {
        out.push_str("<p class=\"none\">No difference was found.</p>\n");
    }
    for (number, column) in collected.columns.iter().enumerate() {
        let (class, letter, word) = mark(column.verdict);
        put!(
            out,
            "<details id=\"c{number}\"><summary><b class=\"m {class}\" title=\"{word}\">{letter}</b> <code>{}</code> <span class=\"q\">{}, {}</span></summary>\n",
            Text(column.label()),
            counted(column.rows, "kernel"),
            match column.variants.len() {
                1 => "one change".to_owned(),
                many => format!("{many} different changes"),
            }
        );
        for &at in &column.variants {
            article(report, column, at, &collected.variants[at], out);
        }
        out.push_str("</details>\n");
    }
    out.push_str("</section>\n");
}

fn article(
    report: &DriftReport,
    column: &Column<'_>,
    number: usize,
    variant: &Variant<'_>,
    out: &mut String,
) {
    let (class, letter, word) = mark(variant.verdict);
    let used = if variant.used { " data-used" } else { "" };
    put!(
        out,
        "<article id=\"v{number}\" data-mark=\"{class}\"{used}>\n<h3><code>{}</code> <b class=\"m {class}\" aria-hidden=\"true\">{letter}</b> {word}</h3>\n",
        Text(column.label())
    );
    put!(
        out,
        "<p class=\"in\">In {}: {}</p>\n<ul>\n",
        counted(variant.rows.len(), "comparison"),
        runs(report, &variant.rows)
    );
    for finding in &variant.findings {
        line(finding, out);
    }
    out.push_str("</ul>\n</article>\n");
}

fn line(finding: &Finding, out: &mut String) {
    let (class, letter, word) = mark(finding.accepted.is_none().then_some(finding.verdict));
    put!(
        out,
        "<li><b class=\"m {class}\" title=\"{word}\">{letter}</b> <div><p><code>{}</code> {}</p><p class=\"q\">{word}: {}",
        Text(&finding.name),
        Text(&finding.text),
        Text(&finding.reason)
    );
    if let Some(role) = finding.role {
        put!(out, " · {}", role_word(role));
    }
    if !finding.used.is_empty() {
        let used: Vec<String> = finding
            .used
            .iter()
            .map(|name| Text(name).to_string())
            .collect();
        put!(
            out,
            " · the code uses <code>{}</code>",
            used.join("</code>, <code>")
        );
    }
    if let Some(why) = &finding.accepted {
        put!(
            out,
            " · accepted (it would be “{}”): {}",
            finding.verdict.word(),
            Text(why)
        );
    }
    out.push_str("</p></div></li>\n");
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::DriverAllocated => "allocated by the driver",
        Role::KernelAllocated => "allocated by the kernel",
        Role::Opaque => "opaque to the code",
    }
}

/// Lists kernels; those that follow each other in the report become one run: "first … last (7)".
fn runs(report: &DriftReport, rows: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &row in rows {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == row => *last = row,
            _ => runs.push((row, row)),
        }
    }
    let name = |row: usize| {
        report
            .checks
            .get(row)
            .map_or("", |check| check.kernel.as_str())
    };
    let mut said: Vec<String> = Vec::new();
    for &(first, last) in runs.iter().take(RUNS) {
        said.push(match last - first {
            0 => Text(name(first)).to_string(),
            1 => format!("{}, {}", Text(name(first)), Text(name(last))),
            more => format!(
                "{} … {} ({})",
                Text(name(first)),
                Text(name(last)),
                more + 1
            ),
        });
    }
    let left: usize = runs
        .iter()
        .skip(RUNS)
        .map(|(first, last)| last - first + 1)
        .sum();
    if left > 0 {
        said.push(format!("and {left} more"));
    }
    said.join(", ")
}
