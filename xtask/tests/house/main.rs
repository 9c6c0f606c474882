// SPDX-License-Identifier: GPL-2.0-only
//! Checks how the sources read: their width, their words and their modules.
//!
//! `CONTRIBUTING.md` explains the rules. Each failure names the file, the line and the rule.

mod columns;
mod modules;
mod text;
mod units;
mod words;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// The folder of this repository.
fn repository() -> &'static Path {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    dir.parent().unwrap_or(dir)
}

/// Files that nobody reads line by line: what programs write, inputs of fuzzers, licenses.
const NOT_READ: [&str; 8] = [
    "Cargo.lock",
    "LICENSES",
    "abi/fuzz/Cargo.lock",
    "abi/fuzz/corpus",
    "headers/history",
    "headers/snapshots",
    "headers/usage.json",
    "target",
];

/// A file of the repository.
struct File {
    /// Its path below the repository.
    path: PathBuf,
    text: String,
}

/// Reads the files with one of these extensions, in order.
fn files(extensions: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    let mut dirs = vec![repository().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let below = path.strip_prefix(repository()).unwrap();
            let name = entry.file_name();
            let hidden = name.to_string_lossy().starts_with('.') && name != ".github";
            if hidden || name == "target" || NOT_READ.iter().any(|not| below == Path::new(not)) {
                continue;
            }
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_file()
                && path
                    .extension()
                    .is_some_and(|found| extensions.iter().any(|wanted| found == *wanted))
            {
                let text = fs::read_to_string(&path).unwrap();
                let path = below.to_owned();
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(
        found.len() > 10,
        "{extensions:?}: only {} files",
        found.len()
    );
    found
}

/// A line that breaks a rule.
struct Broken {
    path: PathBuf,
    line: usize,
    rule: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.rule)
    }
}

/// Panics with a list of what is broken, if it is more than what is known.
fn none(broken: &[Broken], known: usize) {
    let lines: Vec<String> = broken.iter().map(Broken::to_string).collect();
    assert!(
        lines.len() <= known,
        "{} lines\n{}",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn lines_have_at_most_100_columns() {
    // Scripts of the HTML report, signatures and patterns that rustfmt leaves as they are.
    none(&columns::broken(), 127);
}

#[test]
fn comments_and_docs_are_in_plain_words() {
    none(&words::broken(), 0);
}

#[test]
fn modules_do_not_import_each_other() {
    let mut circles = modules::circles();
    // The parts of the driver model need each other, as they do in C. There no two files do.
    let pairs = modules::pairs("safe");
    assert!(pairs.is_empty(), "{}", pairs.join("\n"));
    let known = ["safe"];
    circles.retain(|circle| {
        !known
            .iter()
            .any(|name| circle.starts_with(&format!("{name}: ")))
    });
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn nothing_is_compiled_again_for_the_tests() {
    for build in [
        &["build", "--package=xtask"][..],
        &["build", "--package=xtask", "--package=compile-fail-runner"],
        // As `check-abi` compiles the bindings for a kernel, and reads what a driver uses.
        &["check", "--package=linux-driver-sys", "--target=host-tuple"],
        &["check", "--package=edu", "--target=host-tuple"],
    ] {
        let mut twice = units::compiled_twice(build);
        // Tests do not need the program itself.
        twice.retain(|unit| !unit.contains("compile-fail-runner"));
        assert!(
            twice.is_empty(),
            "{build:?}, see xtask/Cargo.toml: {twice:#?}"
        );
    }
}

#[test]
fn modules_are_files_beside_their_folders() {
    let broken: Vec<String> = files(&["rs"])
        .iter()
        // cargo would take `tests/support.rs` for a test.
        .filter(|file| {
            !file
                .path
                .components()
                .any(|part| part.as_os_str() == "tests")
        })
        .filter(|file| file.path.file_name().is_some_and(|name| name == "mod.rs"))
        .map(|file| format!("{}: name it after its module", file.path.display()))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
