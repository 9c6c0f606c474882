// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's stack frames for a debugger: DWARF's `.debug_frame`. A stripped kernel has no debug
//! information, and a debugger could not find the callers.
//!
//! With CONFIG_UNWINDER_ORC, the kernel says for each instruction where the frame of the caller is
//! (`Documentation/arch/x86/orc-unwinder.rst`). With CONFIG_UNWINDER_FRAME_POINTER, it is where the
//! frame pointer says, except in the first instruction of a function.

use object::{Object, ObjectSection};

/// The size of `struct orc_entry` (`arch/x86/include/asm/orc_types.h`).
const ENTRY: usize = 6;
/// The number of entries in one description. A debugger runs through it from its start.
const TOGETHER: usize = 32;

/// A register in `struct orc_entry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Register {
    Unknown,
    /// The stack pointer of the caller.
    PrevSp,
    Ax,
    Dx,
    Di,
    Bp,
    Sp,
    R10,
    R13,
    /// The memory at an offset from the register.
    BpIndirect,
    /// The memory at the register, with an offset.
    SpIndirect,
}

use Register::{Ax, Bp, BpIndirect, Di, Dx, PrevSp, Sp, SpIndirect, Unknown};

/// The registers by their numbers, in 6.1 and 6.12, and in 7.2.
const NUMBERS: [&[Register]; 2] = [
    &[
        Unknown,
        PrevSp,
        Dx,
        Di,
        Bp,
        Sp,
        Register::R10,
        Register::R13,
        BpIndirect,
        SpIndirect,
    ],
    &[
        Unknown,
        Ax,
        Dx,
        Sp,
        Bp,
        Di,
        Register::R10,
        Register::R13,
        PrevSp,
        SpIndirect,
        BpIndirect,
    ],
];

// Registers in DWARF, of the System V ABI for x86-64.
const RAX: u8 = 0;
const RDX: u8 = 1;
const RDI: u8 = 5;
const RBP: u8 = 6;
const RSP: u8 = 7;
const R10: u8 = 10;
const R13: u8 = 13;
/// The return address.
const RIP: u8 = 16;

/// The registers of a `struct pt_regs` (`arch/x86/include/asm/ptrace.h`), with their offsets.
const PT_REGS: [(u8, i64); 17] = [
    (15, 0),
    (14, 8),
    (R13, 16),
    (12, 24),
    (RBP, 32),
    (3, 40),
    (11, 48),
    (R10, 56),
    (9, 64),
    (8, 72),
    (RAX, 80),
    (2, 88),
    (RDX, 96),
    (4, 104),
    (RDI, 112),
    (RIP, 128),
    (RSP, 152),
];
/// Those that the processor saves itself.
const IRET: [(u8, i64); 2] = [(RIP, 0), (RSP, 24)];

// Instructions and operations of DWARF.
const ADVANCE_LOC4: u8 = 0x04;
const SAME_VALUE: u8 = 0x08;
const UNDEFINED: u8 = 0x07;
const DEF_CFA: u8 = 0x0c;
const DEF_CFA_EXPRESSION: u8 = 0x0f;
const EXPRESSION: u8 = 0x10;
const OFFSET_EXTENDED_SF: u8 = 0x11;
const DEF_CFA_SF: u8 = 0x12;
const OP_DEREF: u8 = 0x06;
const OP_CONSTS: u8 = 0x11;
const OP_PLUS: u8 = 0x22;
const OP_BREG0: u8 = 0x70;

/// The kinds of frames that ORC knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The caller is not known, or there is none.
    End,
    /// A function that was called.
    Call,
    /// A `struct pt_regs`: the code was interrupted.
    Regs,
    /// The part of a `struct pt_regs` that the processor saves.
    Iret,
}

/// An entry of ORC: the frame from an address on.
#[derive(Debug, Clone, Copy)]
struct Entry {
    address: u64,
    sp_offset: i16,
    bp_offset: i16,
    sp_reg: Register,
    bp_reg: Register,
    kind: Kind,
}

/// Returns the contents of `.debug_frame` for this kernel. `functions` are the starts of its
/// functions, in ascending order.
pub(super) fn of(kernel: &object::File<'_>, functions: &[u64]) -> Vec<u8> {
    let entries = match kernel.section_by_name(".orc_unwind") {
        Some(_) => entries(kernel).unwrap_or_default(),
        None => with_frame_pointer(functions),
    };
    let mut frames = Frames::default();
    let calls = frames.common(b"");
    let signals = frames.common(b"S");
    let mut rest = entries.as_slice();
    while let Some(first) = rest.first() {
        // Each of these kinds has rules for other registers.
        let rules = |entry: &Entry| match entry.kind {
            Kind::End | Kind::Call => Kind::Call,
            kind => kind,
        };
        let alike = |entry: &&Entry| rules(entry) == rules(first);
        let length = rest.iter().take(TOGETHER).take_while(alike).count();
        let (these, after) = rest.split_at(length);
        // The last entry of ORC ends the code.
        let Some(end) = after.first() else { break };
        let common = match rules(first) {
            Kind::Call => calls,
            _ => signals,
        };
        frames.add(common, these, end.address);
        rest = after;
    }
    frames.bytes
}

/// Returns the entries of ORC, if the kernel has one whose numbers are known.
fn entries(kernel: &object::File<'_>) -> Option<Vec<Entry>> {
    let section = |name| kernel.section_by_name(name);
    let (places, rows) = (section(".orc_unwind_ip")?, section(".orc_unwind")?);
    // The kinds of entries have other numbers in kernels whose ORC has no header.
    let old = section(".orc_header").is_none();
    let start = places.address();
    let (places, rows) = (places.data().ok()?, rows.data().ok()?);
    // Most frames are where the stack pointer says.
    let of = |number: u8| {
        let is = |row: &&[u8]| row[4] & 15 == number;
        rows.chunks_exact(ENTRY).filter(is).count()
    };
    let most = (0..16).max_by_key(|&number| of(number))?;
    let numbers = NUMBERS
        .iter()
        .find(|numbers| numbers.get(usize::from(most)) == Some(&Sp))?;
    let register = |number: u8| numbers.get(usize::from(number)).copied().unwrap_or(Unknown);
    let entries = places
        .chunks_exact(4)
        .zip(rows.chunks_exact(ENTRY))
        .enumerate()
        .map(|(number, (place, row))| {
            let at = start.wrapping_add(4 * number as u64);
            let relative = i32::from_le_bytes([place[0], place[1], place[2], place[3]]);
            Entry {
                address: at.wrapping_add_signed(i64::from(relative)),
                sp_offset: i16::from_le_bytes([row[0], row[1]]),
                bp_offset: i16::from_le_bytes([row[2], row[3]]),
                sp_reg: register(row[4] & 15),
                bp_reg: register(row[4] >> 4),
                kind: match (old, row[5] & 7) {
                    (true, 0) | (false, 2) => Kind::Call,
                    (true, 1) | (false, 3) => Kind::Regs,
                    (true, 2) | (false, 4) => Kind::Iret,
                    // In older kernels, the third bit marks an entry at which the stack ends.
                    _ => Kind::End,
                },
            }
        });
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_by_key(|entry| entry.address);
    Some(entries)
}

/// Returns the entries of functions that save the frame pointer and then point it at their frame.
fn with_frame_pointer(functions: &[u64]) -> Vec<Entry> {
    let of = |start: u64| {
        let first = Entry {
            address: start,
            sp_offset: 8,
            bp_offset: 0,
            sp_reg: Sp,
            bp_reg: Unknown,
            kind: Kind::Call,
        };
        let rest = Entry {
            address: start.wrapping_add(1),
            sp_offset: 16,
            bp_offset: -16,
            sp_reg: Bp,
            bp_reg: PrevSp,
            kind: Kind::Call,
        };
        [first, rest]
    };
    functions.iter().copied().flat_map(of).collect()
}

/// A `.debug_frame` that is being written.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// Adds the part that descriptions have in common, and returns its offset.
    fn common(&mut self, augmentation: &[u8]) -> u64 {
        let at = self.bytes.len() as u64;
        let mut body = u32::MAX.to_le_bytes().to_vec();
        body.push(4);
        body.extend_from_slice(augmentation);
        // The end of the text, sizes of an address and a segment, factors of code and data.
        body.extend_from_slice(&[0, 8, 0, 1, 0x78, RIP]);
        self.record(body);
        at
    }

    /// Adds the description of these entries.
    fn add(&mut self, common: u64, entries: &[Entry], end: u64) {
        let Some(first) = entries.first() else { return };
        let mut body = (common as u32).to_le_bytes().to_vec();
        body.extend_from_slice(&first.address.to_le_bytes());
        body.extend_from_slice(&end.wrapping_sub(first.address).to_le_bytes());
        let mut at = first.address;
        for entry in entries {
            if entry.address != at {
                body.push(ADVANCE_LOC4);
                body.extend_from_slice(&(entry.address.wrapping_sub(at) as u32).to_le_bytes());
                at = entry.address;
            }
            entry.write(&mut body);
        }
        self.record(body);
    }

    /// Adds a record with its length, padded with instructions that do nothing.
    fn record(&mut self, mut body: Vec<u8>) {
        body.resize((body.len() + 4).next_multiple_of(8) - 4, 0);
        self.bytes
            .extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.bytes.append(&mut body);
    }
}

impl Entry {
    /// Writes the rules for this frame.
    fn write(&self, to: &mut Vec<u8>) {
        let offset = i64::from(self.sp_offset);
        let register = match self.sp_reg {
            Ax => Some(RAX),
            Dx => Some(RDX),
            Di => Some(RDI),
            Bp | BpIndirect => Some(RBP),
            Sp | SpIndirect => Some(RSP),
            Register::R10 => Some(R10),
            Register::R13 => Some(R13),
            Unknown | PrevSp => None,
        };
        let Some(register) = register.filter(|_| self.kind != Kind::End) else {
            to.extend_from_slice(&[DEF_CFA, RSP, 8, UNDEFINED, RIP]);
            return;
        };
        match self.sp_reg {
            BpIndirect | SpIndirect => {
                // The frame is where the memory says. The offset is that of this memory or, with
                // SpIndirect, that of the frame.
                let mut operations = vec![OP_BREG0 + register];
                let inside = if self.sp_reg == SpIndirect { 0 } else { offset };
                signed(inside, &mut operations);
                operations.push(OP_DEREF);
                if self.sp_reg == SpIndirect {
                    operations.push(OP_CONSTS);
                    signed(offset, &mut operations);
                    operations.push(OP_PLUS);
                }
                to.push(DEF_CFA_EXPRESSION);
                unsigned(operations.len() as u64, to);
                to.append(&mut operations);
            }
            _ => {
                // Factored by -8, as common descriptions say. ORC's offsets are multiples of it.
                to.extend_from_slice(&[DEF_CFA_SF, register]);
                signed(-offset / 8, to);
            }
        }
        match self.kind {
            Kind::Regs => saved(&PT_REGS, to),
            Kind::Iret => saved(&IRET, to),
            Kind::Call | Kind::End => {
                saved(&[(RIP, -8)], to);
                match self.bp_reg {
                    PrevSp => saved(&[(RBP, i64::from(self.bp_offset))], to),
                    Bp => {
                        let mut operations = vec![OP_BREG0 + RBP];
                        signed(i64::from(self.bp_offset), &mut operations);
                        to.extend_from_slice(&[EXPRESSION, RBP]);
                        unsigned(operations.len() as u64, to);
                        to.append(&mut operations);
                    }
                    _ => to.extend_from_slice(&[SAME_VALUE, RBP]),
                }
            }
        }
    }
}

/// Writes that these registers are saved at offsets from the frame.
fn saved(registers: &[(u8, i64)], to: &mut Vec<u8>) {
    for (register, offset) in registers {
        to.extend_from_slice(&[OFFSET_EXTENDED_SF, *register]);
        signed(-offset / 8, to);
    }
}

/// Writes a number as a signed LEB128.
fn signed(mut value: i64, to: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        let last = value == if low & 0x40 == 0 { 0 } else { -1 };
        to.push(if last { low } else { low | 0x80 });
        if last {
            return;
        }
    }
}

/// Writes a number as an unsigned LEB128.
fn unsigned(mut value: u64, to: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        to.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_dwarf_has_them() {
        let of = |write: fn(i64, &mut Vec<u8>), value| {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            bytes
        };
        for (value, bytes) in [
            (0, [0].as_slice()),
            (2, &[2]),
            (-2, &[0x7e]),
            (127, &[0xff, 0]),
            (-127, &[0x81, 0x7f]),
            (128, &[0x80, 1]),
            (-128, &[0x80, 0x7f]),
        ] {
            assert_eq!(of(signed, value), bytes, "{value}");
        }
        let unsigned = |value: i64, to: &mut Vec<u8>| unsigned(value.unsigned_abs(), to);
        for (value, bytes) in [(2, [2].as_slice()), (127, &[0x7f]), (300, &[0xac, 2])] {
            assert_eq!(of(unsigned, value), bytes, "{value}");
        }
    }

    #[test]
    fn frames_are_described_in_order_and_in_whole_words() {
        let entries = with_frame_pointer(&[0x1000, 0x1040]);
        let [first, rest, ..] = entries.as_slice() else {
            panic!("{entries:?}")
        };
        let mut rules = Vec::new();
        first.write(&mut rules);
        // The frame is 8 above the stack pointer, where the return address is.
        assert_eq!(rules[..3], [DEF_CFA_SF, RSP, 0x7f]);
        assert_eq!(rules[3..6], [OFFSET_EXTENDED_SF, RIP, 1]);
        rules.clear();
        rest.write(&mut rules);
        assert_eq!(rules[..3], [DEF_CFA_SF, RBP, 0x7e]);
        assert_eq!(rules[6..], [OFFSET_EXTENDED_SF, RBP, 2]);
        let mut frames = Frames::default();
        let common = frames.common(b"");
        frames.add(common, &entries, 0x1080);
        assert_eq!(frames.bytes.len() % 8, 0);
        let length = u32::from_le_bytes(frames.bytes[..4].try_into().unwrap()) as usize + 4;
        let record = &frames.bytes[length..];
        assert_eq!(record[8..16], 0x1000_u64.to_le_bytes());
        assert_eq!(record[16..24], 0x80_u64.to_le_bytes());
    }

    #[test]
    fn the_end_of_the_stack_has_no_caller() {
        let end = Entry {
            kind: Kind::End,
            ..with_frame_pointer(&[0])[0]
        };
        let mut rules = Vec::new();
        end.write(&mut rules);
        assert!(rules.ends_with(&[UNDEFINED, RIP]));
    }
}
