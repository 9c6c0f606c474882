// SPDX-License-Identifier: GPL-2.0-only
//! ORC: with CONFIG_UNWINDER_ORC, objtool records for each instruction how to unwind from it.
//! Without these records a stack trace ends at the module, and a live patch cannot tell whether a
//! task executes the module's code.
//!
//! `.orc_unwind_ip` holds the distance to the first instruction of each range, `.orc_unwind` the
//! `struct orc_entry` of each (`arch/x86/include/asm/orc_types.h`). The last range of each object
//! that objtool saw is undefined. The code of an object that objtool did not see is therefore in
//! such a range.

use std::collections::BTreeMap;

use super::Subject;
use super::elf::{Object, Section};
use super::report::{Seen, Violations};

const OPTION: &str = "CONFIG_UNWINDER_ORC";
const IPS: &str = ".orc_unwind_ip";
const ENTRIES: &str = ".orc_unwind";
/// The size of `struct orc_entry`.
const ENTRY: usize = 6;
const REMEDY: &str = "run the kernel's objtool on the object: Kbuild runs it when it links a module, but on a kernel without IBT (6.1) only on each object that it compiles itself";

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let object = subject.object;
    if !subject.kernel.config.is_set(OPTION) {
        return Seen::not_configured(&[OPTION]);
    }
    let functions: Vec<_> = object
        .executable()
        .flat_map(|(index, _)| {
            object
                .functions(index)
                .iter()
                .map(move |function| (index, function))
        })
        .collect();
    let Some((ips, entries)) = object.section(IPS).zip(object.section(ENTRIES)) else {
        if !functions.is_empty() {
            violations.add(
                "the module",
                format_args!("the sections {IPS} and {ENTRIES}"),
                "not both of them",
                REMEDY,
            );
        }
        return Seen::some(functions.len(), "the module has no functions");
    };
    if ips.data.len() / 4 * ENTRY != entries.data.len() {
        violations.add(
            ENTRIES,
            format_args!(
                "an entry of {ENTRY} bytes for each of the {} in {IPS}",
                ips.data.len() / 4
            ),
            format_args!("{} bytes", entries.data.len()),
            REMEDY,
        );
    }
    let ranges = ranges(object, ips, entries);
    for &(section, function) in &functions {
        let range = ranges
            .range((section, 0)..=(section, function.start))
            .next_back();
        let found = match range {
            Some((_, true)) => continue,
            Some((_, false)) => "an undefined range",
            None => "none",
        };
        violations.add(
            object.place(section, function.start),
            format_args!("a range of {IPS} over its start"),
            found,
            REMEDY,
        );
    }
    Seen::some(functions.len(), "the module has no functions")
}

/// Returns the start of each range, and whether the range says how to unwind. If two ranges start
/// at the same address, the defined one counts, as in the kernel's `orc_sort_cmp`.
fn ranges(
    object: &Object<'_>,
    ips: &Section<'_>,
    entries: &Section<'_>,
) -> BTreeMap<(usize, u64), bool> {
    let mut ranges = BTreeMap::new();
    for relocation in &ips.relocations {
        let Some(start) = object.target(relocation) else {
            continue;
        };
        let entry = usize::try_from(relocation.offset / 4)
            .ok()
            .and_then(|index| entries.data.get(index.checked_mul(ENTRY)?..));
        let defined = entry.is_some_and(is_defined);
        *ranges.entry(start).or_default() |= defined;
    }
    ranges
}

/// Returns whether an entry says where the stack pointer was: its `sp_reg` is not
/// ORC_REG_UNDEFINED. `sp_reg` is the low four bits of the fifth byte. That is true before and
/// after 6.4, although the bits after it differ.
fn is_defined(entry: &[u8]) -> bool {
    entry.get(4).is_some_and(|byte| byte & 0xf != 0)
}

#[cfg(test)]
mod tests {
    use crate::checks::testing::Module;

    #[test]
    fn a_function_that_objtool_did_not_see_is_found() {
        let report = Module::good()
            .text("seen", "nop")
            .raw(".section .text.unseen,\"ax\"\n.globl f\n.type f, @function\nf: nop\n")
            .check();
        let violation = report.only("orc");
        assert!(
            violation.place == "f (.text.unseen)" && violation.found == "none",
            "{violation}"
        );
    }

    #[test]
    fn a_function_behind_another_objects_last_range_is_found() {
        let report = Module::good()
            .text("f", "nop")
            .raw(".text\n.zero 16, 0x90\nend:\n")
            .orc("end", false)
            .raw(".text\n.type g, @function\ng: nop\n")
            .check();
        let violation = report.only("orc");
        assert!(
            violation.place == "g (.text)" && violation.found == "an undefined range",
            "{violation}"
        );
    }

    #[test]
    fn a_module_without_unwind_data_is_found() {
        assert_eq!(
            Module::good()
                .without_orc()
                .text("f", "nop")
                .check()
                .only("orc")
                .found,
            "not both of them"
        );
    }

    #[test]
    fn lists_that_do_not_match_are_found() {
        let report = Module::good()
            .text("f", "nop")
            .raw(".section .orc_unwind,\"a\"\n.zero 6\n")
            .check();
        assert!(report.of("orc")[0].place == ".orc_unwind", "{report}");
    }

    #[test]
    fn a_defined_range_beats_the_end_of_another_at_the_same_place() {
        let report = Module::good().text("f", "nop").orc("f", false).check();
        assert_eq!(report.of("orc"), []);
        assert!(report.looked_at("orc") > 0);
    }

    #[test]
    fn a_kernel_without_orc_needs_no_unwind_data() {
        let report = Module::good()
            .config("# CONFIG_UNWINDER_ORC is not set")
            .without_orc()
            .text("f", "nop")
            .check();
        assert_eq!((report.of("orc").len(), report.looked_at("orc")), (0, 0));
    }
}
