// SPDX-License-Identifier: GPL-2.0-only
//! What must not compile: each file of `tests/compile-fail/`, whose first line says with which
//! error.
//!
//! They are compiled as a driver is, for a kernel and down to machine code: some rules are checked
//! only there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::{Error, Result, process};
use serde::Deserialize;

/// How a file starts: the rest of the line is a part of an error, of its message or of a label in
/// it.
const MARK: &str = "//~ ERROR ";

/// The files, in order.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir)
            .map_err(|e| Error::io(&dir, "read", &e))?
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether compiling the file as `like` says ends in the error that it names; what is wrong if not.
pub(crate) fn fails(like: &Command, file: &Path) -> Result<Option<String>> {
    let text = fs::read_to_string(file).map_err(|e| Error::io(file, "read", &e))?;
    let expected = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix(MARK))
        .map(str::trim)
        .filter(|error| !error.is_empty());
    let Some(expected) = expected else {
        return Ok(Some(format!(
            "its first line is not `{MARK}` and a part of the error"
        )));
    };
    let mut rustc = Command::new(like.get_program());
    rustc.args(like.get_args()).envs(
        like.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    // A folder of its own: rustc replaces the output by a new file, and root would lose
    // `/dev/null`.
    let dir = tempfile::tempdir()
        .map_err(|e| Error::io(&std::env::temp_dir(), "make a folder in", &e))?;
    // rustc itself is told what cargo would tell it: a driver's name is its crate's.
    rustc.args([
        "--crate-name",
        "driver",
        "--crate-type",
        "rlib",
        "--emit=obj",
        "-Copt-level=2",
        "-o",
    ]);
    rustc.arg(dir.path().join("driver.o"));
    rustc.env("CARGO_CRATE_NAME", "driver").arg(file);
    let output = process::output(rustc.arg("--error-format=json"))?;
    let said = process::said(&output);
    Ok(if output.status.success() {
        Some("it compiles".to_owned())
    } else if errors(&said).iter().any(|error| error.contains(expected)) {
        None
    } else {
        Some(format!(
            "expected the error `{expected}`, found:\n{}",
            readable(&said)
        ))
    })
}

/// What rustc says with `--error-format=json`, on a line each.
#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    message: String,
    spans: Vec<Span>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Span {
    label: Option<String>,
}

/// What the errors say, in their messages and labels. Their notes and helps are left out, which
/// tell of much that is not wrong, and so are warnings.
fn errors(said: &str) -> Vec<String> {
    said.lines()
        .filter_map(|line| serde_json::from_str::<Diagnostic>(line).ok())
        .filter(|diagnostic| diagnostic.level == "error")
        .flat_map(|error| {
            let labels = error.spans.into_iter().filter_map(|span| span.label);
            [error.message].into_iter().chain(labels)
        })
        .collect()
}

/// As rustc says it to people.
fn readable(said: &str) -> String {
    said.lines()
        .map(|line| {
            serde_json::from_str::<Diagnostic>(line)
                .ok()
                .and_then(|diagnostic| diagnostic.rendered)
                .unwrap_or_else(|| format!("{line}\n"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"
{"$message_type":"diagnostic","level":"warning","message":"unused import: `Mutex`","code":null,"spans":[{"label":"in a warning"}],"children":[],"rendered":"warning: unused import: `Mutex`\n"}
{"$message_type":"diagnostic","level":"error","message":"mismatched types","code":{"code":"E0308","explanation":null},"spans":[{"is_primary":true,"text":[{"text":"    lock.quoted()"}],"label":"expected `u32`, found `u64`"},{"is_primary":false,"label":null}],"children":[{"level":"note","message":"in a note","code":null,"spans":[{"label":"in the label of a note"}],"children":[],"rendered":null},{"level":"help","message":"in a help","code":null,"spans":[],"children":[],"rendered":null}],"rendered":"error[E0308]: mismatched types\n"}
error: of the linker
"#;

    #[test]
    fn only_errors_count() {
        assert_eq!(
            errors(SAID),
            ["mismatched types", "expected `u32`, found `u64`"]
        );
    }

    #[test]
    fn people_are_told_all() {
        assert_eq!(
            readable(SAID.trim_start()),
            "warning: unused import: `Mutex`\nerror[E0308]: mismatched types\nerror: of the linker\n"
        );
    }
}
