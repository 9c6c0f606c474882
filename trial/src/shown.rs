// SPDX-License-Identifier: GPL-2.0-only
//! What a driver had to show in its trial.

use std::path::Path;

use linux_driver_host::{Error, Result, fs};
use linux_driver_kbuild::{DriverCrate, symbols};
use linux_driver_vm::{Report, StepResult};
use regex_lite::Regex;

use crate::life::Row;
use crate::settings::{EXPECTED, Settings};
use crate::steps::{LOADED, PROBED};

/// Returns a row for each thing that the driver had to show besides what its steps expect, with the
/// message that shows it.
pub(crate) fn rows(
    source: &DriverCrate,
    settings: &Settings,
    ko: &Path,
    report: &Report,
) -> Result<Vec<Row>> {
    let in_life = |step: &&StepResult| step.name == LOADED || step.name == PROBED;
    let messages: Vec<&str> = if settings.expect_problem.is_some() {
        // What comes before a problem belongs to no step that ended.
        report.console.iter().map(String::as_str).collect()
    } else {
        report
            .steps
            .iter()
            .filter(in_life)
            .flat_map(|step| step.messages.iter().map(String::as_str))
            .collect()
    };
    let probed = settings.probed.iter().map(|message| ("said so", message));
    let expected = settings
        .expect
        .iter()
        .map(|expect| (expect.name.as_str(), &expect.message));
    let after = settings.expect_after.iter();
    let after = after.map(|message| ("the kernel goes on", message));
    let mut rows = Vec::new();
    for (name, pattern) in probed.chain(expected).chain(after) {
        let regex = Regex::new(pattern).map_err(|e| {
            Error::new(
                format_args!("{}: `{pattern}`", source.dir.display()),
                "a regular expression",
                e,
                "mend it",
            )
        })?;
        let found = messages.iter().find(|message| regex.is_match(message));
        let detail = found.map_or_else(
            || format!("no message matches `{pattern}`"),
            |message| (*message).to_owned(),
        );
        rows.push(Row::new(name, found.is_some(), detail));
    }
    rows.extend(listed(source, &messages)?);
    let symbols = symbols(ko)?;
    for part in &settings.without {
        let found = symbols.iter().find(|symbol| symbol.contains(part.as_str()));
        let name = format!("linked without {part}");
        rows.push(Row::new(
            &name,
            found.is_none(),
            found.cloned().unwrap_or_default(),
        ));
    }
    Ok(rows)
}

/// Returns the row for [`EXPECTED`] of the driver's folder, if there is one: each of its messages
/// must appear, in that order.
fn listed(source: &DriverCrate, messages: &[&str]) -> Result<Option<Row>> {
    let path = source.dir.join(EXPECTED);
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path)?;
    let mut rest = messages.iter();
    let missing = text
        .lines()
        .find(|line| !rest.any(|message| message == line));
    let detail = match missing {
        Some(line) => format!("not logged, or not in its place: `{line}`"),
        None => format!("{} messages", text.lines().count()),
    };
    Ok(Some(Row::new(
        &format!("all of {EXPECTED}"),
        missing.is_none(),
        detail,
    )))
}
