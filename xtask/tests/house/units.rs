// SPDX-License-Identifier: GPL-2.0-only
//! Finds crates that cargo compiles for `cargo xtask` and again for the tests.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::repository;

/// Returns the units that cargo would compile, by package, target and features.
fn units(arguments: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(arguments)
        .args(["-Zunstable-options", "--unit-graph", "--quiet"])
        // Only this option of cargo is unstable. It compiles nothing.
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(repository());
    let output = cargo.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let graph: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{cargo:?}: {e}\n{said}"));
    let units = graph["units"].as_array().unwrap().iter();
    units
        .filter(|unit| unit["mode"] == "build")
        .map(|unit| {
            let profile = &unit["profile"];
            format!(
                "{} {} {} {} {}",
                unit["pkg_id"],
                unit["target"]["name"],
                profile["opt_level"],
                profile["debuginfo"],
                unit["features"]
            )
        })
        .collect()
}

/// Returns the units of a build that the tests compile with other features, or do not need.
pub(crate) fn compiled_twice(build: &[&str]) -> Vec<String> {
    let tests = units(&["test", "--workspace"]);
    let build = units(build);
    assert!(build.len() > 10, "{build:?}");
    build.difference(&tests).cloned().collect()
}
