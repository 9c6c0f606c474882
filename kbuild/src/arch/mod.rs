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
    /// The flags. `{PADDING}` and `{ALIGNMENT}` stand for CONFIG_FUNCTION_PADDING_BYTES and CONFIG_FUNCTION_ALIGNMENT.
    flags: &'static [&'static str],
}

/// The target for the kernel of this tree, its hardening included.
pub fn target(tree: &BuildTree) -> Result<Target> {
    x86_64::refuse_what_cannot_be_followed(tree)?;
    let flags = rows(tree)
        .flat_map(|row| row.flags)
        .map(|flag| filled(flag, tree))
        .collect();
    Ok(Target {
        triple: x86_64::TRIPLE,
        flags,
    })
}

/// Each flag that this kernel's configuration asks for, with its reason: what `cargo xtask build --verbose` shows.
pub fn reasons(tree: &BuildTree) -> Vec<(&'static str, String)> {
    rows(tree)
        .map(|row| (row.reason, filled(&row.flags.join(" "), tree)))
        .collect()
}

/// The rows that this kernel's configuration asks for.
fn rows(tree: &BuildTree) -> impl Iterator<Item = &'static Row> {
    x86_64::ROWS.iter().filter(|row| (row.when)(&tree.config))
}

/// A flag with the configuration's values in it.
fn filled(flag: &str, tree: &BuildTree) -> String {
    let value = |option| tree.config.value(option).unwrap_or("0");
    flag.replace("{PADDING}", value("CONFIG_FUNCTION_PADDING_BYTES"))
        .replace("{ALIGNMENT}", value("CONFIG_FUNCTION_ALIGNMENT"))
}
