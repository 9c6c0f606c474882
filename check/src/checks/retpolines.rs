// SPDX-License-Identifier: GPL-2.0-only
//! Retpolines: with CONFIG_MITIGATION_RETPOLINE (CONFIG_RETPOLINE up to 6.8), an indirect call or
//! jump goes through `__x86_indirect_thunk_REG`. `apply_retpolines` patches it for the CPU.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::FlowControl;

use super::Subject;
use super::modinfo;
use super::report::{Seen, Violations};
use super::text::Step;
use super::{sites, text};

const OPTIONS: [&str; 2] = ["CONFIG_MITIGATION_RETPOLINE", "CONFIG_RETPOLINE"];
const THUNKS: &str = "__x86_indirect_thunk_";
const LIST: &str = ".retpoline_sites";

/// The table of paravirtual operations. Calls through it become direct when `apply_paravirt` or
/// `apply_alternatives` runs.
const PARAVIRT: &str = "pv_ops";

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let object = subject.object;
    let config = subject.kernel.config;
    if !config.any_set(&OPTIONS) {
        return Seen::not_configured(&OPTIONS);
    }
    let paravirt = |step: &Step<'_>| {
        step.relocations.iter().any(|relocation| {
            object
                .symbols
                .get(relocation.symbol)
                .is_some_and(|symbol| symbol.name == PARAVIRT)
        })
    };
    let mut places = BTreeSet::new();
    // The first unprotected call or jump of each function: its text, and how many the function has.
    let mut bare = BTreeMap::new();
    text::walk_decodable(object, |step| {
        let indirect = matches!(
            step.instruction.flow_control(),
            FlowControl::IndirectBranch | FlowControl::IndirectCall
        );
        if indirect && !paravirt(step) {
            let function = object
                .function_at(step.section, step.offset)
                .map(|function| function.start);
            bare.entry((step.section, function))
                .or_insert_with(|| (step.offset, step.text(), 0))
                .2 += 1;
        } else if step
            .branch_symbol(object)
            .is_some_and(|name| name.starts_with(THUNKS))
        {
            places.insert((step.section, step.offset));
        }
    });
    let seen = places.len()
        + bare
            .values()
            .map(|(_, _, count): &(u64, String, usize)| count)
            .sum::<usize>();
    for ((section, _), (offset, text, count)) in bare {
        violations.add(
            object.place(section, offset),
            format_args!("a call or jump to {THUNKS}… for each indirect one"),
            format_args!("`{text}` ({count} in this function)"),
            "compile all of it, `core` too, with -Zretpoline -Zretpoline-external-thunk (Rust) or -mindirect-branch=thunk-extern (C), and without jump tables",
        );
    }
    if config.is_set("CONFIG_OBJTOOL") {
        sites::compare(
            object,
            LIST,
            "indirect call or jump",
            "the slowest form of the mitigation stays",
            &places,
            violations,
        );
    }
    // Without this tag, `check_modinfo_retpoline` reports that the kernel is vulnerable.
    if modinfo::first(subject.modinfo, "retpoline") != Some("Y") {
        violations.add(
            ".modinfo",
            "retpoline=Y",
            "no such entry",
            "let modpost finish the module (`make modules`): it writes this entry",
        );
    }
    Seen::some(seen, "the module has no indirect call or jump")
}

#[cfg(test)]
mod tests {
    use crate::checks::testing::Module;

    #[test]
    fn a_bare_indirect_branch_is_found() {
        for text in [
            "call *%rax",
            "jmp *%rax",
            "call *8(%rdi)",
            "notrack jmp *table(,%rax,8)",
        ] {
            let report = Module::good()
                .text("f", text)
                .raw(".data\ntable: .quad 0\n")
                .check();
            assert!(
                report.only("retpolines").place.starts_with("f+"),
                "{report}"
            );
        }
    }

    #[test]
    fn a_retpoline_that_objtool_did_not_see_is_found() {
        let report = Module::good()
            .text("f", "call __x86_indirect_thunk_rax")
            .check();
        assert!(
            report
                .only("retpolines")
                .expected
                .contains(".retpoline_sites")
        );
    }

    #[test]
    fn the_entry_in_modinfo_is_missed() {
        assert_eq!(
            Module::good()
                .modinfo("retpoline", None)
                .check()
                .only("retpolines")
                .expected,
            "retpoline=Y"
        );
    }

    #[test]
    fn retpolines_in_their_list_and_paravirtual_calls_are_good() {
        let text = "0: call __x86_indirect_thunk_rax\n1: jmp __x86_indirect_thunk_r11\n2: jne __x86_indirect_thunk_r11\ncall *pv_ops+8(%rip)\n\
                    .pushsection .retpoline_sites,\"a\"\n.long 0b - ., 1b - ., 2b - .\n.popsection";
        let report = Module::good().text("f", text).check();
        assert_eq!(report.of("retpolines"), []);
        assert_eq!(report.looked_at("retpolines"), 3);
    }

    #[test]
    fn a_kernel_without_retpolines_needs_none() {
        let report = Module::good()
            .config("# CONFIG_MITIGATION_RETPOLINE is not set")
            .text("f", "call *%rax")
            .check();
        assert_eq!(
            (
                report.of("retpolines").len(),
                report.looked_at("retpolines")
            ),
            (0, 0)
        );
    }
}
