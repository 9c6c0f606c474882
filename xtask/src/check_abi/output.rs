// SPDX-License-Identifier: GPL-2.0-only
//! How a report is printed.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use linux_driver_abi::report::text::Pictures;
use linux_driver_abi::report::{
    Comparison, ComparisonKind, DriftReport, github, html, json, markdown, sarif, text,
};
use linux_driver_host::{Error, Result, output};

use crate::args::workspace;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For a terminal, with pictures of what moved
    Text,
    /// The document that every other format is made of
    Json,
    /// For a comment or a page
    Markdown,
    /// Annotations on standard output, and the job's summary in the file that GITHUB_STEP_SUMMARY
    /// names
    Github,
    /// SARIF 2.1.0, for tools that collect findings
    Sarif,
    /// One page with a matrix of kernels by types, and drawings of what moved
    Html,
}

/// Prints the report on standard output. It is written by as many workers as `jobs` says.
pub(super) fn print(
    report: &DriftReport,
    format: Format,
    pictures: Pictures,
    jobs: usize,
) -> Result<()> {
    let text = match format {
        Format::Json => json::render(report),
        Format::Text => {
            let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let options = text::Options { colour, pictures };
            let pieces: Vec<&[Comparison]> = super::checks::pieces(&report.checks, jobs);
            let write = |piece: &&[Comparison]| {
                Ok(piece
                    .iter()
                    .map(|check| text::one(check, options))
                    .collect::<String>())
            };
            let mut text = super::checks::at_once(jobs, &pieces, write)?.concat();
            text += &text::last_line(report);
            text
        }
        Format::Markdown => markdown::render(report),
        Format::Github => {
            let github = github::render(report, &file_of);
            summarize(&github.summary)?;
            github.annotations
        }
        Format::Sarif => sarif::render(report, &file_of),
        Format::Html => html::render(report),
    };
    output::text(text);
    output::written()
}

/// The file of the repository at which findings of a comparison stand.
fn file_of(check: &Comparison) -> String {
    match check.kind {
        ComparisonKind::Bindings => "sys/needed.toml".to_owned(),
        ComparisonKind::Module => check.against.clone(),
        ComparisonKind::Kernels => {
            // `update` names the release too: "debian-6.12 (6.12.117+deb12-amd64)".
            let snapshot = format!(
                "headers/snapshots/{}/abi.json",
                check.kernel.split(" (").next().unwrap_or_default()
            );
            if workspace().join(&snapshot).is_file() {
                snapshot
            } else {
                "headers/history/kernels.tsv".to_owned()
            }
        }
    }
}

/// Adds to the summary of the job, if this is one.
pub(crate) fn summarize(text: &str) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else {
        return Ok(());
    };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|e| Error::io(&path, "write", &e))
}
