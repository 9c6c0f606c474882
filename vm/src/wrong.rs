// SPDX-License-Identifier: GPL-2.0-only
//! Errors for a plan that cannot be run.

use std::collections::BTreeSet;

use linux_driver_host::{Error, Result};
use regex_lite::Regex;

/// Rejects a path in the guest that is not one of the plan's files.
pub(crate) fn among(place: &str, path: &str, paths: &BTreeSet<&str>) -> Result<()> {
    if paths.contains(path) {
        return Ok(());
    }
    let there: Vec<&str> = paths.iter().copied().collect();
    let found = if there.is_empty() {
        "no files".to_owned()
    } else {
        there.join(", ")
    };
    Err(wrong(
        place,
        format_args!("{path:?} among the plan's files"),
        found,
        "add it to `files`, or correct the path",
    ))
}

/// Parses a regular expression of the plan.
pub(crate) fn regex(place: &str, pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|e| {
        wrong(
            place,
            "a regular expression",
            format_args!("{pattern:?}: {e}"),
            r"write brackets and the like with a backslash: \(",
        )
    })
}

pub(crate) fn wrong(
    place: impl std::fmt::Display,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
    remedy: &str,
) -> Error {
    Error::new(format_args!("plan, {place}"), expected, found, remedy)
}
