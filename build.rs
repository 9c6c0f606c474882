// SPDX-License-Identifier: GPL-2.0-only
//! Refuses a target that drivers cannot be built for, and passes on the `cfg`s that describe the
//! kernel's features.

use std::process::ExitCode;

/// The targets of the supported kernels.
const KERNEL_TARGETS: [&str; 1] = ["x86_64-unknown-none"];

fn main() -> ExitCode {
    let target = std::env::var("TARGET").unwrap_or_default();
    let host = std::env::var("HOST").unwrap_or_default();
    if target != host && !KERNEL_TARGETS.contains(&target.as_str()) {
        eprintln!(
            "error: --target {target}\n  expected: {}, or this machine's own target for `cargo check` and `cargo doc`\n  found:    {target}, which no kernel here runs on\n  remedy:   build with `cargo xtask build -p CRATE`, which gives the kernel's target and flags",
            KERNEL_TARGETS.join(" or ")
        );
        return ExitCode::FAILURE;
    }
    for (variable, instruction) in [
        ("DEP_LINUX_DRIVER_SYS_KNOWN_FEATURES", "rustc-check-cfg"),
        ("DEP_LINUX_DRIVER_SYS_FEATURES", "rustc-cfg"),
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
        let features = std::env::var(variable).unwrap_or_default();
        for feature in features.split('|').filter(|feature| !feature.is_empty()) {
            println!("cargo::{instruction}={feature}");
        }
    }
    ExitCode::SUCCESS
}
