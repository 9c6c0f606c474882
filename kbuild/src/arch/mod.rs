// SPDX-License-Identifier: GPL-2.0-only
//! What depends on the architecture: one file an architecture.

mod x86_64;

use linux_driver_host::Result;

use crate::tree::BuildTree;

/// How Rust code is compiled for the kernel of a build tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The target triple of rustc.
    pub triple: &'static str,
    /// rustc's flags, for `core` and for every crate of a driver.
    pub flags: Vec<String>,
}

/// One row of an architecture's table of flags.
struct Row {
    /// Why the flags are given, with the C flag that they stand for.
    reason: &'static str,
    /// Whether the kernel's configuration asks for them.
    when: fn(&crate::config::Config) -> bool,
    /// The flags. `{PADDING}` stands for CONFIG_FUNCTION_PADDING_BYTES.
    flags: &'static [&'static str],
}

/// The target for the kernel of this tree, its hardening included.
pub fn target(tree: &BuildTree) -> Result<Target> {
    x86_64::refuse_what_cannot_be_followed(tree)?;
    let padding = tree.config.value("CONFIG_FUNCTION_PADDING_BYTES").unwrap_or("0");
    let rows = x86_64::ROWS.iter().filter(|row| (row.when)(&tree.config));
    let flags = rows
        .flat_map(|row| row.flags)
        .map(|flag| flag.replace("{PADDING}", padding))
        .collect();
    Ok(Target {
        triple: x86_64::TRIPLE,
        flags,
    })
}

/// Each flag that this kernel's configuration asks for, with its reason: what `cargo xtask build --verbose` shows.
pub fn reasons(tree: &BuildTree) -> Vec<(&'static str, String)> {
    let rows = x86_64::ROWS.iter().filter(|row| (row.when)(&tree.config));
    rows.map(|row| (row.reason, row.flags.join(" "))).collect()
}
