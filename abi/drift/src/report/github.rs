// SPDX-License-Identifier: GPL-2.0-only
//! The report for a GitHub workflow: annotations on standard output, and a summary of the job.

use std::fmt::Write as _;

use super::visible::visible;
use super::{Comparison, DriftReport, Verdict, fold, markdown};

/// The largest size of a job's summary. GitHub drops a summary of more than 1 MiB.
const SUMMARY: usize = 1 << 20;

/// The end of a summary that was cut.
const CUT: &str = "\n\nCut here: `cargo xtask check-abi --format markdown` shows all.\n";

/// The output for a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Github {
    /// The annotations for standard output, one on each line.
    pub annotations: String,
    /// The Markdown text to append to the file `$GITHUB_STEP_SUMMARY`.
    pub summary: String,
}

/// Renders the report for a workflow. `file` returns the file of the repository that a comparison's
/// annotations belong to.
///
/// A finding that needs a change is an error. One that a rebuild fixes is a warning, and one that
/// keeps working a notice.
pub fn render(report: &DriftReport, file: &dyn Fn(&Comparison) -> String) -> Github {
    let mut annotations = String::new();
    for check in &report.checks {
        let file = property(&visible(&file(check)));
        for folded in fold(&check.findings) {
            let finding = folded.first;
            let level = match finding.verdict {
                _ if finding.accepted.is_some() => "notice",
                Verdict::Source | Verdict::NoEvidence => "error",
                Verdict::Rebuild | Verdict::NotJudged => "warning",
                Verdict::Keeps => "notice",
            };
            let word = if finding.accepted.is_some() {
                "accepted"
            } else {
                finding.verdict.word()
            };
            let title = property(&visible(&format!("{} ({word})", folded.name)));
            let text = if folded.more.is_empty() {
                finding.text.clone()
            } else {
                folded.words()
            };
            let why = finding.accepted.as_ref().unwrap_or(&finding.reason);
            let message = format!("{}: {}: {text}: {why}", check.title(), folded.name);
            // A line break in a message is escaped by the rules of the command.
            let message: Vec<_> = message.split('\n').map(visible).collect();
            let message = data(&message.join("\n"));
            let _ = writeln!(
                annotations,
                "::{level} file={file},title={title}::{message}"
            );
        }
    }
    let mut summary = markdown::render(report);
    if summary.len() > SUMMARY {
        let mut end = SUMMARY - CUT.len();
        while !summary.is_char_boundary(end) {
            end -= 1;
        }
        summary.truncate(end);
        summary.push_str(CUT);
    }
    Github {
        annotations,
        summary,
    }
}

/// Escapes the characters in a message that would end the line of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes the characters that would end a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_end_a_command_are_escaped() {
        assert_eq!(data("50%\r\na: b, c"), "50%25%0D%0Aa: b, c");
        assert_eq!(property("50%\na:b,c"), "50%25%0Aa%3Ab%2Cc");
    }
}
