// SPDX-License-Identifier: GPL-2.0-only
//! The output of reports.

use std::io::IsTerminal;
use std::path::PathBuf;

use linux_driver_abi::report::text::Pictures;
use linux_driver_abi::report::{
    Comparison, ComparisonKind, DriftReport, Finding, github, html, json, markdown, sarif, text,
};
use linux_driver_host::{Result, fs, output};

use crate::folders::workspace;

/// The list of what the bindings need.
const NEEDED: &str = "sys/needed.toml";

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for a terminal, with pictures of the changed structs
    Text,
    /// JSON, from which every other format is made
    Json,
    /// Markdown, for a comment or a page
    Markdown,
    /// Annotations on standard output, and the job's summary in the file $GITHUB_STEP_SUMMARY
    Github,
    /// SARIF 2.1.0, with locations in sys/needed.toml; a name that it does not list has no location,
    /// and GitHub's code scanning rejects such a result
    Sarif,
    /// One page with a matrix of kernels by types, and drawings of the changed structs
    Html,
}

/// Prints the report on standard output. Up to `jobs` workers render it.
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
        Format::Sarif => {
            let needed = workspace().join(NEEDED);
            let needed = fs::read_to_string(&needed)?;
            sarif::render(report, &|check, finding| location(&needed, check, finding))
        }
        Format::Html => html::render(report),
    };
    output::text(text);
    output::written()
}

/// Returns the file of the repository for the annotations of a comparison.
fn file_of(check: &Comparison) -> String {
    match check.kind {
        ComparisonKind::Bindings => NEEDED.to_owned(),
        ComparisonKind::Module => check.against.clone(),
        ComparisonKind::Kernels => {
            // `update` gives the release too: "debian-6.12 (6.12.117+deb12-amd64)".
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

/// Returns the location of a finding for SARIF: the module, or the line of `sys/needed.toml` that
/// lists the name. `needed` is the text of that file. A name that it does not list has no location.
fn location(needed: &str, check: &Comparison, finding: &Finding) -> Option<sarif::Location> {
    if check.kind == ComparisonKind::Module {
        return Some(sarif::Location {
            file: check.against.clone(),
            line: None,
        });
    }
    let line = line_of(needed, &finding.name)?;
    Some(sarif::Location {
        file: NEEDED.to_owned(),
        line: Some(line),
    })
}

/// Returns the line of `sys/needed.toml` that lists a name. For a field, this may also be the line
/// of a field that contains it, or the line of its type.
fn line_of(needed: &str, name: &str) -> Option<usize> {
    let (of, field) = name.split_once('.').unwrap_or((name, ""));
    let field = field
        .split(['.', '['])
        .next()
        .filter(|field| !field.is_empty());
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    let lines = || {
        (1..)
            .zip(needed.lines())
            .filter(|(_, line)| !is_comment(line))
    };
    let quoted = |name: &str| format!("\"{name}\"");
    let of_field = field.and_then(|field| {
        let fields = lines().skip_while(|(_, line)| !line.ends_with("fields]"));
        let heads = |line: &str| line.split_once(" = ").is_some_and(|(head, _)| head == of);
        // The list of a type ends with the first bracket.
        let mut inside = false;
        let found = fields.into_iter().find(|(_, line)| {
            inside |= heads(line);
            let found = inside && line.contains(&quoted(field));
            inside &= !line.contains(']');
            found
        });
        found.map(|(number, _)| number)
    });
    of_field.or_else(|| {
        let listed = |line: &str| {
            line.contains(&quoted(of)) || line.split_once(" = ").is_some_and(|(head, _)| head == of)
        };
        lines()
            .find(|(_, line)| listed(line))
            .map(|(number, _)| number)
    })
}

/// Appends to the summary of the job, if this is a job of a workflow.
pub(crate) fn summarize(text: &str) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else {
        return Ok(());
    };
    fs::append(path, text)
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn a_name_is_located_in_the_list() {
        let needed = r#"# "pci_dev"
types = [
    "pci_dev", "device",
]
[fields]
device = ["driver"]
pci_dev = [
    "dev",
    "vendor",
]
[variables]
ioport_resource = "struct resource"
"#;
        assert_eq!(line_of(needed, "pci_dev"), Some(3));
        assert_eq!(line_of(needed, "pci_dev.vendor"), Some(9));
        assert_eq!(line_of(needed, "pci_dev.dev.driver"), Some(8));
        assert_eq!(line_of(needed, "device.driver"), Some(6));
        // The type is listed, but the field is not.
        assert_eq!(line_of(needed, "pci_dev.driver"), Some(3));
        assert_eq!(line_of(needed, "ioport_resource"), Some(12));
        assert_eq!(line_of(needed, "kfree"), None);
    }
}
