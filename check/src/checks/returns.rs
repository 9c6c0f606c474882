// SPDX-License-Identifier: GPL-2.0-only
//! Returns: with return thunks (CONFIG_MITIGATION_RETHUNK, CONFIG_RETHUNK up to 6.8), each return
//! is a `jmp __x86_return_thunk`, which `apply_returns` patches for the CPU. A plain `ret` remains
//! open to the attacks that the thunk prevents.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{FlowControl, Mnemonic};

use super::Subject;
use super::report::{Seen, Violations};
use super::{sites, text};

const OPTIONS: [&str; 2] = ["CONFIG_MITIGATION_RETHUNK", "CONFIG_RETHUNK"];
const THUNK: &str = "__x86_return_thunk";
const LIST: &str = ".return_sites";

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let object = subject.object;
    let config = subject.kernel.config;
    if !config.any_set(&OPTIONS) {
        return Seen::not_configured(&OPTIONS);
    }
    let mut places = BTreeSet::new();
    // The first plain return of each function, and how many the function has.
    let mut plain = BTreeMap::new();
    let mut odd = Vec::new();
    text::walk_decodable(object, |step| {
        if step.instruction.mnemonic() == Mnemonic::Ret {
            let function = object
                .function_at(step.section, step.offset)
                .map(|function| function.start);
            plain
                .entry((step.section, function))
                .or_insert((step.offset, 0))
                .1 += 1;
        } else if step.branch_symbol(object) == Some(THUNK) {
            if step.instruction.flow_control() == FlowControl::UnconditionalBranch {
                places.insert((step.section, step.offset));
            } else {
                odd.push((step.section, step.offset, step.text()));
            }
        }
    });
    let seen = places.len()
        + odd.len()
        + plain
            .values()
            .map(|&(_, count): &(u64, usize)| count)
            .sum::<usize>();
    for ((section, _), (offset, count)) in plain {
        violations.add(
            object.place(section, offset),
            format_args!("`jmp {THUNK}` for each return"),
            format_args!("a plain `ret` ({count} in this function)"),
            "compile all of it, `core` too, with -Zfunction-return=thunk-extern (Rust) or -mfunction-return=thunk-extern (C); assembly writes RET",
        );
    }
    for (section, offset, text) in odd {
        // `apply_returns` only looks for the opcode of `jmp`. It reports any other one as a missing
        // return thunk.
        violations.add(
            object.place(section, offset),
            format_args!("`jmp {THUNK}`, which the kernel can patch"),
            format_args!("`{text}` to it"),
            "do not branch to the thunk by hand",
        );
    }
    if config.is_set("CONFIG_OBJTOOL") {
        sites::compare(
            object,
            LIST,
            "return",
            "it warns when it runs (unpatched return thunk)",
            &places,
            violations,
        );
    }
    Seen::some(seen, "the module has no code that returns")
}

#[cfg(test)]
mod tests {
    use crate::checks::testing::Module;

    #[test]
    fn a_plain_return_is_found() {
        for text in ["ret", "ret $8"] {
            let report = Module::good().text("f", text).check();
            assert!(report.only("returns").place.starts_with("f+"), "{report}");
        }
    }

    #[test]
    fn a_return_that_objtool_did_not_see_is_found() {
        let report = Module::good()
            .bare("f", "jmp __x86_return_thunk\njmp __x86_return_thunk")
            .check();
        let violation = report.only("returns");
        assert!(
            violation.place == "f (.text)" && violation.found.starts_with("2 in this function"),
            "{violation}"
        );
        let report = Module::good()
            .config("# CONFIG_OBJTOOL is not set")
            .bare("f", "jmp __x86_return_thunk")
            .check();
        assert_eq!(report.of("returns"), []);
    }

    #[test]
    fn an_entry_that_is_not_a_return_is_found() {
        let report = Module::good()
            .text("f", "0: nop")
            .raw(".section .return_sites,\"a\"\n.long f - .\n")
            .check();
        assert_eq!(report.only("returns").place, "f (.text)");
    }

    #[test]
    fn a_conditional_return_cannot_be_patched() {
        assert!(
            Module::good()
                .text("f", "je __x86_return_thunk")
                .check()
                .only("returns")
                .found
                .contains("je")
        );
    }

    #[test]
    fn thunks_in_their_list_are_good() {
        for option in ["CONFIG_MITIGATION_RETHUNK", "CONFIG_RETHUNK"] {
            let report = Module::good()
                .config("# CONFIG_MITIGATION_RETHUNK is not set")
                .config(&format!("{option}=y"))
                .text("f", "nop")
                .check();
            assert_eq!(report.of("returns"), []);
            assert!(report.looked_at("returns") > 0);
        }
    }

    #[test]
    fn a_kernel_without_thunks_needs_none() {
        let report = Module::good()
            .config("# CONFIG_MITIGATION_RETHUNK is not set")
            .text("f", "ret")
            .check();
        assert_eq!(
            (report.of("returns").len(), report.looked_at("returns")),
            (0, 0)
        );
    }
}
