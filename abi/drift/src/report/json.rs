// SPDX-License-Identifier: GPL-2.0-only
//! The report as a JSON document: the output of `--format json`, and the input of a merge.

use std::fmt::Display;

use linux_driver_host::{Error, Result};

use super::visible::visible_json;
use super::{DriftReport, SCHEMA};

/// Returns the report as JSON, with a line break at its end.
pub fn render(report: &DriftReport) -> String {
    // This cannot fail, since the keys of all maps are strings. If that changes, the reader sees
    // the error.
    let text = serde_json::to_string_pretty(report)
        .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    visible_json(&text).into_owned() + "\n"
}

/// Parses a report that [`render`] wrote. `location` names it in error messages.
// This is generic so that only its few callers compile the parser of a report. It is large, reports
// are small, and this crate is optimised.
pub fn read(text: &str, location: impl Display) -> Result<DriftReport> {
    let report: DriftReport = serde_json::from_str(text).map_err(|error| {
        let remedy = "give a file that `cargo xtask check-abi --format json` wrote";
        Error::new(&location, "a report of check-abi", error, remedy)
    })?;
    if report.schema != SCHEMA {
        return Err(Error::new(
            &location,
            format_args!("a report of schema {SCHEMA}"),
            format_args!("schema {}", report.schema),
            "create it again with this version of the tool",
        ));
    }
    Ok(report)
}

/// Merges the reports of the parts of a divided check. Each comparison occurs once, in a fixed
/// order.
///
/// # Errors
///
/// A part is missing or occurs twice: the result would look complete.
pub fn merge(reports: impl IntoIterator<Item = DriftReport>) -> Result<DriftReport> {
    let mut all = DriftReport {
        schema: SCHEMA,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        shard: None,
        checks: Vec::new(),
    };
    let mut shards = Vec::new();
    for report in reports {
        all.checks.extend(report.checks);
        shards.extend(report.shard);
    }
    shards.sort();
    let of = shards
        .first()
        .and_then(|shard| shard.split_once('/')?.1.parse::<usize>().ok());
    let mut wanted: Vec<String> = (1..=of.unwrap_or(0))
        .map(|number| format!("{number}/{}", of.unwrap_or(0)))
        .collect();
    wanted.sort();
    if shards != wanted {
        return Err(Error::new(
            "the reports to merge",
            format_args!("each shard once: {}", wanted.join(", ")),
            shards.join(", "),
            "give the reports of all shards of one check",
        ));
    }
    all.checks
        .sort_by(|a, b| (a.kind, &a.kernel, &a.against).cmp(&(b.kind, &b.kernel, &b.against)));
    all.checks.dedup();
    Ok(all)
}
