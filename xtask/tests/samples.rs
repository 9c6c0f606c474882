// SPDX-License-Identifier: GPL-2.0-only
//! The samples are safe Rust: a driver needs no unsafe code.

use std::fs;
use std::path::{Path, PathBuf};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the root files of the samples in Rust.
fn roots() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let samples = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let roots: Vec<PathBuf> = samples
        .filter(|sample| sample.join("Cargo.toml").is_file())
        .map(|sample| sample.join("src/lib.rs"))
        .collect();
    assert!(roots.len() >= 4, "{roots:?}");
    roots
}

#[test]
fn each_sample_forbids_unsafe_code() {
    for root in roots() {
        let text = fs::read_to_string(&root).unwrap();
        assert!(
            text.lines().any(|line| line == "#![forbid(unsafe_code)]"),
            "{}: #![forbid(unsafe_code)]",
            root.display()
        );
    }
}

#[test]
fn no_sample_has_an_unsafe_word() {
    let mut files = Vec::new();
    for root in roots() {
        sources(root.parent().unwrap(), &mut files);
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        assert!(!words.any(|word| word == "unsafe"), "{}", file.display());
    }
}
