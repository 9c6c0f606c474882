// SPDX-License-Identifier: GPL-2.0-only
//! The machine code of an object, one instruction after another.

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, OpKind};

use super::elf::{Object, Relocation, Section};

/// The trampolines of static calls: code that branches to them does so directly, and the kernel
/// rewrites them as a whole (`arch/x86/kernel/static_call.c`), so that they have neither `endbr64`
/// nor padding.
pub(super) const TRAMPOLINES: &str = ".static_call.text";

/// An instruction and its position.
pub(super) struct Step<'a> {
    /// The index of its section.
    pub(super) section: usize,
    /// Its offset there.
    pub(super) offset: u64,
    pub(super) instruction: Instruction,
    /// The relocations of its bytes.
    pub(super) relocations: &'a [Relocation],
}

impl Step<'_> {
    /// Returns the offset behind it.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.instruction.len() as u64
    }

    /// Returns whether it goes to a fixed address: `jmp`, `jcc` or `call` with a displacement.
    pub(super) fn is_near_branch(&self) -> bool {
        self.instruction.op_count() > 0 && self.instruction.op0_kind() == OpKind::NearBranch64
    }

    /// Returns the undefined symbol that a branch to a fixed place goes to.
    pub(super) fn branch_symbol<'o>(&self, object: &'o Object<'_>) -> Option<&'o str> {
        let relocation = self.relocations.first().filter(|_| self.is_near_branch())?;
        Some(&object.symbols.get(relocation.symbol)?.name)
    }

    /// Returns the instruction as the kernel's own tools write it.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        GasFormatter::new().format(&self.instruction, &mut text);
        text
    }
}

/// Calls `each` with the instructions of all code, and `undecodable` with each place whose bytes
/// are none.
///
/// The code is decoded from one function's start to the next: a bad byte, or one instruction that
/// runs over a function's start, hides no other function.
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
    // Both lie within the section's data, whose length is a usize.
    let bytes = &section.data[from as usize..to as usize];
    let mut decoder = Decoder::with_ip(64, bytes, from, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let offset = decoder.ip();
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            // A linker may fill up to a section's alignment with zeroes.
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

/// Calls `each` with the instructions of all code, where bytes that are none are another check's
/// matter.
pub(super) fn walk_decodable(object: &Object<'_>, each: impl FnMut(&Step<'_>)) {
    walk(object, each, |_, _| ());
}
