// SPDX-License-Identifier: GPL-2.0-only
//! Features: fields and functions that only some kernels have, as `cfg(has_field = "…")` and
//! `cfg(has_fn = "…")`.
//!
//! `needed.toml` lists the features to look for. A version number would say nothing, because stable
//! updates change layouts and distributions backport changes.

use crate::needed::{Items, Needed};

/// Sets the `cfg`s of this crate, and passes them to the build scripts of the crates that depend on
/// it.
pub(crate) fn announce(needed: &Needed, items: &Items) {
    let probed = &needed.probed;
    let fields: Vec<(&str, &str)> = probed
        .fields
        .iter()
        .flat_map(|(of, fields)| fields.iter().map(|field| (of.as_str(), field.as_str())))
        .collect();
    let names: Vec<String> = fields
        .iter()
        .map(|(of, field)| format!("{of}.{field}"))
        .collect();
    let known = check_cfg("has_field", names.iter().map(String::as_str))
        + "|"
        + &check_cfg("has_fn", probed.functions.iter().map(String::as_str));
    let has_field = fields
        .iter()
        .filter(|(of, field)| items.has_field(of, field))
        .map(|(of, field)| format!("has_field=\"{of}.{field}\""));
    let has_fn = probed
        .functions
        .iter()
        .filter(|name| items.has_function(name))
        .map(|name| format!("has_fn=\"{name}\""));
    let present: Vec<String> = has_field.chain(has_fn).collect();
    for cfg in known.split('|') {
        println!("cargo::rustc-check-cfg={cfg}");
    }
    for cfg in &present {
        println!("cargo::rustc-cfg={cfg}");
    }
    println!("cargo::metadata=known_features={known}");
    println!("cargo::metadata=features={}", present.join("|"));
}

fn check_cfg<'a>(key: &str, values: impl Iterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.map(|value| format!("\"{value}\"")).collect();
    format!("cfg({key}, values({}))", values.join(", "))
}
