// SPDX-License-Identifier: GPL-2.0-only
//! The parts that depend on the architecture, one file for each.

mod x86_64;

use linux_driver_host::Result;
use linux_driver_kernels::BuildTree;

/// How Rust code is compiled for the kernel of a build tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The target triple of rustc.
    pub triple: &'static str,
    /// rustc's flags, for every crate of a driver.
    pub flags: Vec<String>,
}

/// KASAN's checks of accesses beyond a global's end.
const GLOBALS_CHECKED: &str = "-Cllvm-args=-asan-globals=1";
const GLOBALS_UNCHECKED: &str = "-Cllvm-args=-asan-globals=0";

impl Target {
    /// rustc's flags for `core`: the same, but KASAN does not know its globals. A module registers
    /// all its globals with KASAN when it is loaded, and each global keeps what it refers to. So
    /// all of `core`, a hundred kilobytes, would be part of each module. The code of `core` is
    /// checked as any other.
    pub fn core_flags(&self) -> Vec<String> {
        let flags = self.flags.iter();
        let flag = |flag: &String| match flag.as_str() {
            GLOBALS_CHECKED => GLOBALS_UNCHECKED.to_owned(),
            _ => flag.clone(),
        };
        flags.map(flag).collect()
    }
}

/// One row of an architecture's table of flags.
struct Row {
    /// The reason for the flags, with the C flag that they stand for. If the option changes only C
    /// code and has no flags, the reason for that.
    reason: &'static str,
    /// True if the kernel's configuration asks for them.
    when: fn(&linux_driver_kernels::Config) -> bool,
    /// The flags. `{CONFIG_…}` stands for the value of that option, or for 0.
    flags: &'static [&'static str],
}

/// Returns the target for the kernel of this tree, its hardening included.
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

/// Returns each flag that this kernel's configuration asks for, with its reason: what `cargo xtask
/// build --verbose` shows.
pub fn reasons(tree: &BuildTree) -> Vec<(&'static str, String)> {
    rows(tree)
        .map(|row| match row.flags {
            [] => (row.reason, "no flags".to_owned()),
            flags => (row.reason, filled(&flags.join(" "), tree)),
        })
        .collect()
}

/// Returns the rows that this kernel's configuration asks for.
fn rows(tree: &BuildTree) -> impl Iterator<Item = &'static Row> {
    x86_64::ROWS.iter().filter(|row| (row.when)(&tree.config))
}

/// Returns a flag with the configuration's values in it.
fn filled(flag: &str, tree: &BuildTree) -> String {
    let mut filled = String::new();
    let mut rest = flag;
    while let Some((before, option)) = rest.split_once('{') {
        let (option, after) = option.split_once('}').unwrap_or((option, ""));
        filled.push_str(before);
        filled.push_str(tree.config.value(option).unwrap_or("0"));
        rest = after;
    }
    filled + rest
}
