// SPDX-License-Identifier: GPL-2.0-only
//! What must not compile: each file of `tests/compile-fail/`, whose first line says with which error.
//!
//! They are compiled as a driver is, for a kernel and down to machine code: some rules are checked only there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::{Error, Result, process};

/// How a file starts: the rest of the line is a part of an error.
const MARK: &str = "//~ ERROR ";

/// The files, in order.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).map_err(|e| Error::io(&dir, "read", &e))?.flatten() {
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
        return Ok(Some(format!("its first line is not `{MARK}` and a part of the error")));
    };
    let mut rustc = Command::new(like.get_program());
    rustc
        .args(like.get_args())
        .envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // rustc itself is told what cargo would tell it: a driver's name is its crate's.
    rustc.args([
        "--crate-name",
        "driver",
        "--crate-type",
        "rlib",
        "--emit=obj",
        "-Copt-level=2",
        "-o",
        "/dev/null",
    ]);
    rustc.env("CARGO_CRATE_NAME", "driver").arg(file);
    let output = process::output(&mut rustc)?;
    let said = process::said(&output);
    // What rustc quotes of the file itself says nothing.
    let quoted = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let errors = said.lines().filter(|line| !quoted(line)).collect::<Vec<_>>().join("\n");
    Ok(if output.status.success() {
        Some("it compiles".to_owned())
    } else if errors.contains(expected) {
        None
    } else {
        Some(format!("expected the error `{expected}`, found:\n{said}"))
    })
}
