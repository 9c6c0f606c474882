// SPDX-License-Identifier: GPL-2.0-only
//! Instructions: none may use the state of the floating-point or vector unit.
//!
//! The kernel does not save that state on entry. Code that changes it outside of `kernel_fpu_begin`
//! changes the state of a user program (`Documentation/core-api/floating-point.rst`; the kernel's
//! flags are `-mno-sse -mno-mmx -mno-80387`). The check also finds bytes in a code section that are
//! not an instruction: data, or damaged code.

use std::collections::BTreeSet;

use iced_x86::{CpuidFeature, Instruction, Mnemonic, Register};

use super::Subject;
use super::report::{Seen, Violations};
use super::text;

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let object = subject.object;
    let mut seen = 0;
    let mut told = BTreeSet::new();
    let mut vector = Vec::new();
    let mut undecodable = Vec::new();
    text::walk(
        object,
        |step| {
            seen += 1;
            let start = object
                .function_at(step.section, step.offset)
                .map(|function| function.start);
            if uses_vector_state(&step.instruction) && told.insert((step.section, start)) {
                vector.push((step.section, step.offset, step.text()));
            }
        },
        |section, offset| undecodable.push((section, offset)),
    );
    for (section, offset, text) in vector {
        violations.add(
            object.place(section, offset),
            "no instruction that uses the floating-point or vector unit, whose state belongs to user programs",
            format_args!("`{text}`, the first one in this function"),
            "compile all of it, `core` too, for a target without these (Rust: x86_64-unknown-none; C: the kernel's own flags), and without inline assembly that uses them",
        );
    }
    for (section, offset) in undecodable {
        let data = object.sections[section].data;
        let bytes: Vec<String> = data
            .iter()
            .skip(offset as usize)
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        violations.add(
            object.place(section, offset),
            "instructions only",
            format_args!("bytes that are not instructions: {}", bytes.join(" ")),
            "keep data out of code sections; if the compiler put it there (jump tables), compile with -Cjump-tables=n or -fno-jump-tables",
        );
    }
    Seen::some(seen, "the module has no code")
}

/// Returns whether the instruction uses a register or the control state of the x87, MMX, SSE, AVX
/// or AMX units.
///
/// The CPU feature of an instruction is not enough to know this. For example, `prefetch` belongs to
/// SSE, `mfence` to SSE2 and `crc32` to SSE4.2, but they use no such register.
fn uses_vector_state(instruction: &Instruction) -> bool {
    let registers = (0..instruction.op_count()).map(|operand| instruction.op_register(operand));
    registers.into_iter().any(is_vector_register)
        || STATE.contains(&instruction.mnemonic())
        || instruction.cpuid_features().iter().any(|feature| {
            matches!(
                feature,
                CpuidFeature::FPU | CpuidFeature::FPU287 | CpuidFeature::FPU387
            )
        })
}

/// Instructions that use the state of these units without naming one of their registers.
const STATE: [Mnemonic; 28] = [
    Mnemonic::Emms,
    Mnemonic::Femms,
    Mnemonic::Fxrstor,
    Mnemonic::Fxrstor64,
    Mnemonic::Fxsave,
    Mnemonic::Fxsave64,
    Mnemonic::Ldmxcsr,
    Mnemonic::Ldtilecfg,
    Mnemonic::Stmxcsr,
    Mnemonic::Sttilecfg,
    Mnemonic::Tilerelease,
    Mnemonic::Vldmxcsr,
    Mnemonic::Vstmxcsr,
    Mnemonic::Vzeroall,
    Mnemonic::Vzeroupper,
    Mnemonic::Wait,
    Mnemonic::Xrstor,
    Mnemonic::Xrstor64,
    Mnemonic::Xrstors,
    Mnemonic::Xrstors64,
    Mnemonic::Xsave,
    Mnemonic::Xsave64,
    Mnemonic::Xsavec,
    Mnemonic::Xsavec64,
    Mnemonic::Xsaveopt,
    Mnemonic::Xsaveopt64,
    Mnemonic::Xsaves,
    Mnemonic::Xsaves64,
];

fn is_vector_register(register: Register) -> bool {
    register.is_vector_register()
        || register.is_mm()
        || register.is_st()
        || register.is_k()
        || register.is_tmm()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::Module;
    use iced_x86::{Decoder, DecoderOptions};

    fn uses(bytes: &[u8]) -> bool {
        uses_vector_state(&Decoder::new(64, bytes, DecoderOptions::NONE).decode())
    }

    #[test]
    fn vector_instructions_are_found_once_a_function() {
        let report = Module::good()
            .text("f", "movaps %xmm0, %xmm1\naddps %xmm0, %xmm1")
            .text("g", "fldz\nfstp %st(0)")
            .check();
        let found = report.of("instructions");
        assert_eq!(found.len(), 2, "{report}");
        assert!(
            found[0].place.starts_with("f+") && found[0].found.contains("movaps %xmm0,%xmm1"),
            "{}",
            found[0]
        );
        assert!(
            found[1].place.starts_with("g+") && found[1].found.contains("fldz"),
            "{}",
            found[1]
        );
    }

    #[test]
    fn instructions_without_vector_registers_are_good() {
        let report = Module::good().text("f", "mfence\nprefetcht0 (%rax)\nmovnti %rax, (%rbx)\ncrc32q %rax, %rbx\npopcnt %rax, %rbx\npause\nrdtsc\nlfence").check();
        assert_eq!(report.of("instructions"), []);
        assert!(report.looked_at("instructions") > 8);
    }

    #[test]
    fn state_counts_as_registers_do() {
        assert!(uses(b"\x0f\xae\x10"), "ldmxcsr");
        assert!(uses(b"\x0f\xae\x00"), "fxsave");
        assert!(uses(b"\x0f\x77"), "emms");
        assert!(uses(b"\xc5\xf8\x77"), "vzeroupper");
        assert!(uses(b"\x9b"), "fwait");
        assert!(uses(b"\x0f\xef\xc0"), "pxor mm0");
        assert!(uses(b"\xc5\xf4\x41\xc2"), "kandw");
        assert!(!uses(b"\xc4\xe2\xf0\xf2\xc0"), "andn");
        assert!(!uses(b"\x0f\x01\xd8"), "vmrun");
    }

    #[test]
    fn data_in_code_is_found_and_hides_nothing_behind_it() {
        let report = Module::good()
            .text("f", ".byte 0x06, 0x06")
            .text("g", "movaps %xmm0, %xmm1")
            .check();
        let found = report.of("instructions");
        assert_eq!(found.len(), 2, "{report}");
        assert!(
            found.iter().any(|violation| violation
                .found
                .starts_with("bytes that are not instructions: 06 06")),
            "{report}"
        );
        assert!(
            found
                .iter()
                .any(|violation| violation.found.contains("movaps")),
            "{report}"
        );
    }
}
