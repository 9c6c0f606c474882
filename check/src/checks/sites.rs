// SPDX-License-Identifier: GPL-2.0-only
//! The lists of addresses that objtool writes and that the kernel patches at load: `.return_sites`
//! and `.retpoline_sites`.
//!
//! Each entry is a 32-bit distance to an instruction (`apply_returns`, `apply_retpolines` in
//! `arch/x86/kernel/alternative.c`). An instruction that is missing in its list stays unpatched.

use std::collections::BTreeSet;

use super::elf::Object;
use super::report::Violations;

/// A section, and an offset in it.
pub(super) type Place = (usize, u64);

/// Returns the entries of the list with this name, or `None` if the module has no such section.
pub(super) fn listed(object: &Object<'_>, name: &str) -> Option<BTreeSet<Place>> {
    object.section(name).map(|section| {
        section
            .relocations
            .iter()
            .filter_map(|relocation| object.target(relocation))
            .collect()
    })
}

/// Adds a violation for each function with an instruction that the list lacks. Adds another for
/// each entry of the list that does not point to such an instruction.
pub(super) fn compare(
    object: &Object<'_>,
    list: &str,
    what: &str,
    harm: &str,
    places: &BTreeSet<Place>,
    violations: &mut Violations<'_>,
) {
    let listed = listed(object, list).unwrap_or_default();
    let mut missing: Vec<(Place, Option<u64>, usize)> = Vec::new();
    for &(section, offset) in places.difference(&listed) {
        let function = object
            .function_at(section, offset)
            .map(|function| function.start);
        match missing.last_mut() {
            Some((first, same, count)) if first.0 == section && *same == function => *count += 1,
            _ => missing.push(((section, offset), function, 1)),
        }
    }
    for ((section, offset), _, count) in missing {
        violations.add(
            object.place(section, offset),
            format_args!("each {what} listed in {list}, so that the kernel can patch it; else {harm}"),
            format_args!("{count} in this function that are not listed"),
            "run the kernel's objtool on the object: Kbuild runs it when it links a module, but on a kernel without IBT (6.1) only on each object that it compiles itself",
        );
    }
    for &(section, offset) in listed.difference(places) {
        violations.add(
            object.place(section, offset),
            format_args!("a {what}, as {list} says"),
            "something else, which the kernel would patch",
            "link the module again: objtool must see each object once, and nothing may change the object afterwards",
        );
    }
}
