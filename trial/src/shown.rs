// SPDX-License-Identifier: GPL-2.0-only
//! The checks of a driver's messages and symbols in its trial.

use std::path::Path;

use linux_driver_host::{Error, Result, fs};
use linux_driver_kbuild::{DriverCrate, symbols};
use linux_driver_vm::{Action, Report, Step};
use regex_lite::Regex;

use crate::life::Row;
use crate::manifest::FILE;
use crate::settings::{EXPECTED, Settings};
use crate::sources::Source;
use crate::steps::Role;

/// Returns a row for each check of the driver's messages. A row's detail is the message that passed
/// the check. `roles` are those of the report's steps.
pub(crate) fn in_log(
    source: &DriverCrate,
    settings: &Settings,
    roles: &[Role],
    report: &Report,
) -> Result<Vec<Row>> {
    // The steps in which a driver is probed. In steps of a manifest, that can be any.
    let own_steps = !settings.steps.is_empty();
    let in_life = |number: usize| match roles.get(number) {
        Some(Role::Load | Role::Probe) => true,
        Some(Role::Manifest) => own_steps,
        _ => false,
    };
    let messages: Vec<&str> = if settings.expect_problem.is_some() {
        // Messages before an expected problem belong to a step that did not end.
        report.console.iter().map(String::as_str).collect()
    } else {
        let steps = report.steps.iter().enumerate();
        steps
            .filter(|(number, _)| in_life(*number))
            .flat_map(|(_, step)| step.messages.iter().map(String::as_str))
            .collect()
    };
    let mut rows = logged(source, &settings.logs, &messages)?;
    let after = settings.expect_after.iter();
    let after: Vec<Step> = after
        .map(|message| {
            Step::new("the kernel continues to run", Action::Expect {}).expecting(message)
        })
        .collect();
    rows.extend(logged(source, &after, &messages)?);
    rows.extend(listed(source, &messages)?);
    Ok(rows)
}

/// Returns a row for each text that no symbol of the module may contain.
pub(crate) fn in_symbols(settings: &Settings, ko: &Path) -> Result<Vec<Row>> {
    let symbols = symbols(ko)?;
    let row = |part: &String| {
        let found = symbols.iter().find(|symbol| symbol.contains(part.as_str()));
        let name = format!("no symbol contains {part}");
        Row::new(&name, found.is_none(), found.cloned().unwrap_or_default())
    };
    Ok(settings.without.iter().map(row).collect())
}

/// Returns a row for each of these steps: the messages that it expects must be among `messages`.
pub(crate) fn logged(source: &DriverCrate, steps: &[Step], messages: &[&str]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for step in steps {
        let mut found = Vec::new();
        let mut missing = None;
        for pattern in &step.expect {
            let regex = Regex::new(pattern).map_err(|e| {
                Error::new(
                    format_args!("{}: step {:?}", source.dir.join(FILE).display(), step.name),
                    "a regular expression",
                    format_args!("`{pattern}`: {e}"),
                    r"write brackets and the like with a backslash: \(",
                )
            })?;
            match messages.iter().find(|message| regex.is_match(message)) {
                Some(message) => found.push(*message),
                None => missing = Some(format!("no message matches `{pattern}`")),
            }
        }
        let ok = missing.is_none();
        let detail = missing.unwrap_or_else(|| found.join("; "));
        rows.push(Row::new(&step.name, ok, detail));
    }
    Ok(rows)
}

/// Returns a row for each source line that the manifest asks for.
pub(crate) fn sources(
    source: &DriverCrate,
    settings: &Settings,
    named: &[Source],
) -> Result<Vec<Row>> {
    let lines = named.iter().flat_map(|source| &source.lines);
    let lines: Vec<String> = lines
        .map(|line| format!("{}:{}: {}", line.file, line.line, line.function))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    logged(source, &settings.sources, &lines)
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
        Some(line) => format!("not logged, or not in the expected order: `{line}`"),
        None => format!("{} messages", text.lines().count()),
    };
    Ok(Some(Row::new(
        &format!("all messages of {EXPECTED} are logged"),
        missing.is_none(),
        detail,
    )))
}
