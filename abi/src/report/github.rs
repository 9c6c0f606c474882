// SPDX-License-Identifier: GPL-2.0-only
//! A report for a workflow of GitHub's: annotations on standard output, and a summary of the job.

use std::fmt::Write as _;

use super::visible::visible;
use super::{Comparison, DriftReport, Verdict, fold, markdown};

/// How long a job's summary may be; GitHub drops one that is longer than 1 MiB as a whole.
const SUMMARY: usize = 1 << 20;

/// What a summary that was cut ends with.
const CUT: &str = "\n\nCut here: `cargo xtask check-abi --format markdown` shows all.\n";

/// What a workflow is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Github {
    /// The annotations, a line each, for standard output.
    pub annotations: String,
    /// What is to be appended to the file that `$GITHUB_STEP_SUMMARY` names, in Markdown.
    pub summary: String,
}

/// The report for a workflow. `file` says which file of the repository a comparison's annotations
/// stand at.
///
/// An error needs somebody to change something; what a rebuild mends is a warning, and what keeps
/// working a notice.
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
            // A line break in a message is escaped by the command's own rules.
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

/// The message of a workflow command: what would end its line is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command: what would end it is escaped, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("50%\r\na: b, c"), "50%25%0D%0Aa: b, c");
        assert_eq!(property("50%\na:b,c"), "50%25%0Aa%3Ab%2Cc");
    }
}
