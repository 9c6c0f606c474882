// SPDX-License-Identifier: GPL-2.0-only
//! Relocations: a module may contain only those that the loader applies.
//!
//! `apply_relocate_add` in `arch/x86/kernel/module.c` knows seven types. Any other type ends the
//! load with "Unknown rela relocation".

use object::elf;

use super::report::{Seen, Violations};
use super::{Subject, names};

/// The types that the loader applies.
const APPLIED: [elf::RelocationType; 7] = [
    elf::R_X86_64_NONE,
    elf::R_X86_64_64,
    elf::R_X86_64_PC32,
    elf::R_X86_64_PLT32,
    elf::R_X86_64_32,
    elf::R_X86_64_32S,
    elf::R_X86_64_PC64,
];

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let object = subject.object;
    let mut seen = 0;
    for (index, section) in object
        .sections
        .iter()
        .enumerate()
        .filter(|(_, section)| section.is_loaded())
    {
        seen += section.relocations.len();
        if section.has_rel {
            violations.add(
                &section.name,
                "relocations with addends (SHT_RELA)",
                "relocations without (SHT_REL)",
                "build it as an x86-64 object",
            );
        }
        for relocation in &section.relocations {
            let kind = elf::RelocationType(relocation.kind);
            if !APPLIED.contains(&kind) {
                violations.add(
                    object.place(index, relocation.offset),
                    "a relocation that the kernel's loader applies (R_X86_64_64, 32, 32S, PC32, PLT32, PC64)",
                    format_args!(
                        "{} for {}, which it refuses: Unknown rela relocation: {}",
                        name(kind),
                        names::quoted(&object.name_of(relocation.symbol)),
                        relocation.kind
                    ),
                    remedy(kind),
                );
            }
        }
    }
    Seen::some(seen, "the module has no relocations")
}

/// Types that compilers emit for other programs, with their names.
const OTHERS: [(elf::RelocationType, &str); 16] = [
    (elf::R_X86_64_GOTPCREL, "R_X86_64_GOTPCREL"),
    (elf::R_X86_64_GOTPCRELX, "R_X86_64_GOTPCRELX"),
    (elf::R_X86_64_REX_GOTPCRELX, "R_X86_64_REX_GOTPCRELX"),
    (elf::R_X86_64_GOTPCREL64, "R_X86_64_GOTPCREL64"),
    (elf::R_X86_64_GOTPC32, "R_X86_64_GOTPC32"),
    (elf::R_X86_64_GOT32, "R_X86_64_GOT32"),
    (elf::R_X86_64_TPOFF32, "R_X86_64_TPOFF32"),
    (elf::R_X86_64_TPOFF64, "R_X86_64_TPOFF64"),
    (elf::R_X86_64_GOTTPOFF, "R_X86_64_GOTTPOFF"),
    (elf::R_X86_64_TLSGD, "R_X86_64_TLSGD"),
    (elf::R_X86_64_TLSLD, "R_X86_64_TLSLD"),
    (elf::R_X86_64_DTPOFF32, "R_X86_64_DTPOFF32"),
    (elf::R_X86_64_16, "R_X86_64_16"),
    (elf::R_X86_64_PC16, "R_X86_64_PC16"),
    (elf::R_X86_64_8, "R_X86_64_8"),
    (elf::R_X86_64_PC8, "R_X86_64_PC8"),
];

fn name(kind: elf::RelocationType) -> String {
    match OTHERS.iter().find(|(other, _)| *other == kind) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("relocation type {}", kind.0),
    }
}

fn remedy(kind: elf::RelocationType) -> &'static str {
    match kind {
        elf::R_X86_64_GOTPCREL
        | elf::R_X86_64_GOTPCRELX
        | elf::R_X86_64_REX_GOTPCRELX
        | elf::R_X86_64_GOTPCREL64 => {
            "a module has no global offset table: compile all of it, `core` too, with -Crelocation-model=static and -Zplt=yes (Rust) or -fno-pic (C)"
        }
        elf::R_X86_64_TPOFF32
        | elf::R_X86_64_TPOFF64
        | elf::R_X86_64_GOTTPOFF
        | elf::R_X86_64_TLSGD
        | elf::R_X86_64_TLSLD
        | elf::R_X86_64_DTPOFF32 => {
            "a module has no thread-local storage: use a per-CPU or a locked static variable"
        }
        _ => "compile all of it for the kernel: position-dependent, with the kernel's code model",
    }
}

#[cfg(test)]
mod tests {
    use crate::checks::testing::Module;

    #[test]
    fn a_relocation_through_the_got_is_refused_and_named() {
        let report = Module::good()
            .text("f", "movq printk@GOTPCREL(%rip), %rax")
            .check();
        let violation = report.only("relocations");
        assert!(
            violation.place.starts_with("f+") && violation.place.ends_with("(.text)"),
            "{violation}"
        );
        assert!(
            violation.found.contains("GOTPCRELX for `printk`"),
            "{violation}"
        );
        assert!(violation.remedy.contains("-Zplt=yes"), "{violation}");
    }

    #[test]
    fn a_narrow_relocation_is_refused() {
        let violation = Module::good()
            .raw(".data\nd: .short f\n")
            .check()
            .only("relocations")
            .clone();
        assert_eq!(violation.place, "d (.data)");
        assert!(violation.found.contains("R_X86_64_16"), "{violation}");
    }

    #[test]
    fn the_loaders_own_relocations_are_good() {
        let report = Module::good()
            .text(
                "f",
                "movq $d, %rax\nmovabsq $d, %rax\nleaq d(%rip), %rax\ncall printk",
            )
            .raw(".data\nd: .quad f, f - .\n.long f - .\n")
            .check();
        assert_eq!(report.of("relocations"), []);
        assert!(report.looked_at("relocations") >= 7);
    }
}
