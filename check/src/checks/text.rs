// SPDX-License-Identifier: GPL-2.0-only
//! The machine code of an object, instruction by instruction.

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, OpKind};

use super::elf::{Object, Relocation, Section};

/// The trampolines of static calls. Code branches to them directly, and the kernel rewrites them as
/// a whole (`arch/x86/kernel/static_call.c`). They therefore need neither `endbr64` nor padding.
pub(super) const TRAMPOLINES: &str = ".static_call.text";

/// An instruction and its position.
pub(super) struct Step<'a> {
    /// The index of its section.
    pub(super) section: usize,
    /// Its offset there.
    pub(super) offset: u64,
    pub(super) instruction: Instruction,
    /// The relocations in its bytes.
    pub(super) relocations: &'a [Relocation],
}

impl Step<'_> {
    /// Returns the offset after it.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.instruction.len() as u64
    }

    /// Returns whether it goes to a fixed address: `jmp`, `jcc` or `call` with a displacement.
    pub(super) fn is_near_branch(&self) -> bool {
        self.instruction.op_count() > 0 && self.instruction.op0_kind() == OpKind::NearBranch64
    }

    /// Returns the undefined symbol that a direct branch goes to.
    pub(super) fn branch_symbol<'o>(&self, object: &'o Object<'_>) -> Option<&'o str> {
        let relocation = self.relocations.first().filter(|_| self.is_near_branch())?;
        Some(&object.symbols.get(relocation.symbol)?.name)
    }

    /// Returns the instruction in the syntax of the kernel's own tools.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        GasFormatter::new().format(&self.instruction, &mut text);
        text
    }
}

/// Calls `each` with each instruction of all code, and `undecodable` with each offset whose bytes
/// are not an instruction.
///
/// The code is decoded from the start of one function to the start of the next. A bad byte, or an
/// instruction that extends past the start of a function, therefore hides no other function.
pub(super) fn walk(
    object: &Object<'_>,
    mut each: impl FnMut(&Step<'_>),
    mut undecodable: impl FnMut(usize, u64),
) {
    for (index, section) in object.executable() {
        let starts = object
            .functions(index)
            .iter()
            .map(|function| function.start);
        let mut from = 0;
        for to in starts.chain([section.data.len() as u64]) {
            let to = to.min(section.data.len() as u64);
            if to > from {
                walk_part(section, index, from, to, &mut each, &mut undecodable);
                from = to;
            }
        }
    }
}

fn walk_part(
    section: &Section<'_>,
    index: usize,
    from: u64,
    to: u64,
    each: &mut impl FnMut(&Step<'_>),
    undecodable: &mut impl FnMut(usize, u64),
) {
    // Both are at most the length of the section's data, which is a usize.
    let bytes = &section.data[from as usize..to as usize];
    let mut decoder = Decoder::with_ip(64, bytes, from, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let offset = decoder.ip();
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            // A linker may fill a section with zeroes up to its alignment.
            if bytes[(offset - from) as usize..]
                .iter()
                .any(|&byte| byte != 0)
            {
                undecodable(index, offset);
            }
            return;
        }
        let relocations = section.relocations_in(offset, decoder.ip());
        each(&Step {
            section: index,
            offset,
            instruction,
            relocations,
        });
    }
}

/// Calls `each` with each instruction of all code. Another check reports bytes that are not an
/// instruction.
pub(super) fn walk_decodable(object: &Object<'_>, each: impl FnMut(&Step<'_>)) {
    walk(object, each, |_, _| ());
}
