// SPDX-License-Identifier: GPL-2.0-only
//! Turns the features of the kernel that the bindings were made for into `cfg(has_field = "…")` and
//! `cfg(has_fn = "…")`.

fn main() {
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
}
