// SPDX-License-Identifier: GPL-2.0-only
//! `endbr64`: with CONFIG_X86_KERNEL_IBT, a function that is called through a pointer must start
//! with it. Otherwise the CPU raises a control-protection fault (`exc_control_protection`).
//!
//! A function's address is taken if a relocation refers to it outside of a branch. Sections in
//! which the kernel keeps addresses for other purposes do not count. The list of them is that of
//! `validate_ibt` in `tools/objtool/check.c`.

use std::collections::BTreeMap;

use object::elf;

use super::Subject;
use super::elf::Relocation;
use super::report::{Seen, Violations};
use super::text::{self, Step};

const OPTION: &str = "CONFIG_X86_KERNEL_IBT";
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// Sections with addresses that are never branch targets.
const NO_TARGETS: [&str; 21] = [
    ".altinstructions",
    ".call_sites",
    ".cfi_sites",
    ".eh_frame",
    ".ibt_endbr_seal",
    ".kcfi_traps",
    ".llvm.call-graph-profile",
    ".llvm_bb_addr_map",
    ".orc_unwind_ip",
    ".parainstructions",
    ".retpoline_sites",
    ".return_sites",
    ".smp_locks",
    ".static_call_sites",
    "__bug_table",
    "__ex_table",
    "__jump_table",
    "__mcount_loc",
    "__patchable_function_entries",
    "_error_injection_whitelist",
    "_kprobe_blacklist",
];

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let object = subject.object;
    if !subject.kernel.config.is_set(OPTION) {
        return Seen::not_configured(&[OPTION]);
    }
    // The first use of each address.
    let mut taken: BTreeMap<(usize, u64), (usize, u64)> = BTreeMap::new();
    for (index, section) in object.sections.iter().enumerate() {
        if section.is_executable()
            || section.name.starts_with(".discard")
            || NO_TARGETS.contains(&&*section.name)
        {
            continue;
        }
        for relocation in &section.relocations {
            if let Some(target) = object.target(relocation) {
                taken.entry(target).or_insert((index, relocation.offset));
            }
        }
    }
    text::walk_decodable(object, |step| {
        if step.is_near_branch() {
            return;
        }
        for relocation in step.relocations {
            if let Some((section, offset)) = object.target(relocation) {
                let target = (section, offset.wrapping_add(from_end(step, relocation)));
                taken.entry(target).or_insert((step.section, step.offset));
            }
        }
    });

    let mut seen = 0;
    for (index, section) in object
        .executable()
        .filter(|(_, section)| section.name != text::TRAMPOLINES)
    {
        for function in object.functions(index) {
            let Some(&(user, at)) = taken.get(&(index, function.start)) else {
                continue;
            };
            seen += 1;
            let start = usize::try_from(function.start)
                .ok()
                .and_then(|start| section.data.get(start..))
                .unwrap_or_default();
            if !start.starts_with(&ENDBR64) {
                let bytes: Vec<String> = start
                    .iter()
                    .take(4)
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                violations.add(
                    object.place(index, function.start),
                    "endbr64 (f3 0f 1e fa) at the start of a function whose address is taken, or a call through that pointer faults",
                    format_args!("{} there; its address is taken at {}", bytes.join(" "), object.place(user, at)),
                    "compile all of it, `core` too, with -Zcf-protection=branch (Rust) or -fcf-protection=branch (C); assembly starts a function with SYM_FUNC_START",
                );
            }
        }
    }
    Seen::some(seen, "the module takes no function's address")
}

/// Returns the distance from the relocated field to the end of the instruction, for a relocation
/// that is relative to the field.
fn from_end(step: &Step<'_>, relocation: &Relocation) -> u64 {
    match elf::RelocationType(relocation.kind) {
        elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => step.end() - relocation.offset,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::Module;

    #[test]
    fn an_address_in_data_needs_endbr() {
        let report = Module::good()
            .bare("f", "nop")
            .raw(".data\n.globl ops\n.type ops, @object\n.size ops, 16\nops: .quad 0, f\n")
            .check();
        let violation = report.only("endbr");
        assert_eq!(violation.place, "f (.text)");
        assert!(violation.found.contains("ops+0x8 (.data)"), "{violation}");
    }

    #[test]
    fn an_address_in_code_needs_endbr() {
        for taking in [
            "leaq f(%rip), %rax",
            "movq $f, %rax",
            "movabsq $f, %rax",
            "movq $f, 8(%rsp)",
            "movq $f, d(%rip)",
        ] {
            let report = Module::good()
                .bare("f", "nop")
                .text("user", taking)
                .raw(".data\nd: .quad 0\n")
                .check();
            let violation = report.only("endbr");
            assert!(
                violation.place == "f (.text)" && violation.found.contains("user+"),
                "{taking}: {violation}"
            );
        }
    }

    #[test]
    fn the_entry_of_the_module_needs_endbr() {
        let report = Module::good()
            .bare("init_module", "nop")
            .raw(".section .gnu.linkonce.this_module,\"aw\"\n.quad init_module\n")
            .check();
        assert_eq!(report.only("endbr").place, "init_module (.text)");
    }

    #[test]
    fn branches_and_lists_of_places_take_no_address() {
        let lists = NO_TARGETS
            .map(|name| format!(".section {name},\"a\"\n.long f - .\n"))
            .concat();
        let report = Module::good()
            .bare("f", "nop")
            .text("user", "call f\njmp f\nje f")
            .raw(&lists)
            .raw(".section .discard.x,\"a\"\n.quad f\n")
            .check();
        assert_eq!(report.of("endbr"), []);
    }

    #[test]
    fn a_function_with_endbr_is_good() {
        let report = Module::good()
            .text("f", "nop")
            .raw(".data\n.quad f\n")
            .check();
        assert_eq!(report.of("endbr"), []);
        assert_eq!(report.looked_at("endbr"), 1);
    }

    #[test]
    fn a_trampoline_of_a_static_call_needs_no_endbr() {
        let report = Module::good()
            .raw(".section .static_call.text,\"ax\"\n.type __SCT__f, @function\n__SCT__f: nop\n.data\n.quad __SCT__f\n")
            .check();
        assert_eq!((report.of("endbr"), report.of("padding")), (vec![], vec![]));
    }

    #[test]
    fn a_kernel_without_ibt_needs_no_endbr() {
        let report = Module::good()
            .config("# CONFIG_X86_KERNEL_IBT is not set")
            .bare("f", "nop")
            .raw(".data\n.quad f\n")
            .check();
        assert_eq!(
            (report.of("endbr").len(), report.looked_at("endbr")),
            (0, 0)
        );
    }
}
