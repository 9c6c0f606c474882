// SPDX-License-Identifier: GPL-2.0-only
//! Checks that each file of `tests/compile-fail/` fails to compile, for the reason that it states.
//!
//! The program `compile-fail-runner` compiles the files. It is built only for this.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::{Error, Result, fs, process};
use serde::Serialize;

use crate::program;

/// The package with the program, in the same workspace.
const RUNNER: &str = "compile-fail-runner";

/// The files to compile, and the compiler. The program reads this from a file.
#[derive(Serialize)]
struct Request<'a> {
    program: &'a OsStr,
    args: Vec<&'a OsStr>,
    envs: Vec<(&'a OsStr, Option<&'a OsStr>)>,
    dir: &'a Path,
    threads: usize,
}

/// Returns the files in `dir` and its folders, sorted.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for path in fs::read_dir(&dir)? {
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

/// Compiles each file of `dir` with the arguments and the environment of `rustc`. Returns the
/// files, each with a description of what went wrong, if anything did. `manifest` is the
/// `Cargo.toml` of the workspace.
pub(crate) fn try_all(
    manifest: &Path,
    rustc: &Command,
    dir: &Path,
    threads: usize,
) -> Result<BTreeMap<PathBuf, Option<String>>> {
    let request = Request {
        program: rustc.get_program(),
        args: rustc.get_args().collect(),
        envs: rustc.get_envs().collect(),
        dir,
        threads,
    };
    let folder = fs::tempdir()?;
    let file = folder.path().join("request.json");
    let unreadable = |e: serde_json::Error| {
        Error::new(
            RUNNER,
            "a request and an answer in JSON",
            e,
            "report this as a bug of linux-driver",
        )
    };
    fs::write(&file, serde_json::to_vec(&request).map_err(unreadable)?)?;
    let mut runner = Command::new(program::build(manifest, RUNNER, &[])?);
    let answer = process::run(runner.arg(&file))?;
    let mut results: BTreeMap<PathBuf, Option<String>> =
        serde_json::from_str(&answer).map_err(unreadable)?;
    for file in files(dir)? {
        let missing = || Some("it was not compiled".to_owned());
        results.entry(file).or_insert_with(missing);
    }
    Ok(results)
}
