// SPDX-License-Identifier: GPL-2.0-only
//! What some kernels have and others do not, as `cfg(has_field = "…")` and `cfg(has_fn = "…")`.
//!
//! Stable updates change layouts and distributions backport: a version number says nothing.

use crate::needed::Items;

/// Fields that are probed.
const FIELDS: &[(&str, &str)] = &[
    ("pci_driver", "node"),
    ("pci_driver", "driver_managed_dma"),
    ("pci_dev", "driver_override"),
    ("device", "driver_override"),
    ("device_driver", "p_cb"),
    ("bus_type", "p"),
];

/// Functions that are probed, beside those that every kernel must have.
pub(crate) const FUNCTIONS: &[&str] = &[
    "pcim_request_region",
    "pcim_iomap_region",
    "mutex_init_generic",
    "__mutex_init",
];

/// Sets the `cfg`s of this crate, and hands them on to the build scripts of the crates that depend on it.
pub(crate) fn announce(items: &Items) {
    let fields: Vec<String> = FIELDS.iter().map(|(of, field)| format!("{of}.{field}")).collect();
    let known = check_cfg("has_field", fields.iter().map(String::as_str))
        + "|"
        + &check_cfg("has_fn", FUNCTIONS.iter().copied());
    let has_field = FIELDS
        .iter()
        .filter(|(of, field)| items.has_field(of, field))
        .map(|(of, field)| format!("has_field=\"{of}.{field}\""));
    let has_fn = FUNCTIONS
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
