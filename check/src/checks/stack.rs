// SPDX-License-Identifier: GPL-2.0-only
//! Stack frames: a task in the kernel has a stack of 16 KiB (THREAD_SIZE). A driver's functions
//! share it with all their callers and callees. For C, the compiler enforces CONFIG_FRAME_WARN. For
//! Rust, only this check does.
//!
//! The check follows the depth of the stack through each function, starting with the return address
//! that the caller pushed. It counts pushes and subtractions from `%rsp`. It needs no unwind data,
//! so it also works for kernels without ORC.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::Subject;
use super::elf::Function;
use super::report::{Seen, Violations};
use super::text;

/// The largest allowed frame, in bytes.
const LIMIT: i64 = 1024;
/// The limit with KASAN, which adds space between variables. The kernel raises its own limit too
/// (FRAME_WARN in `lib/Kconfig.debug`).
const LIMIT_KASAN: i64 = 2 * LIMIT;

/// The state at an instruction: the depth of the stack, and the depth that `%rbp` points to if it
/// is a frame pointer.
#[derive(Debug, Clone, Copy)]
struct State {
    depth: i64,
    frame: Option<i64>,
}

/// An instruction, and whether its target is known.
struct Code {
    instruction: Instruction,
    /// Set if the loader or a linker fills in the target of the branch.
    relocated: bool,
}

/// The size of a function's frame, or the offset of the instruction that makes it unknown.
type Frame = Result<i64, u64>;

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let object = subject.object;
    let kasan = subject.kernel.config.is_set("CONFIG_KASAN");
    let limit = if kasan { LIMIT_KASAN } else { LIMIT };
    let mut functions: BTreeMap<(usize, u64), BTreeMap<u64, Code>> = BTreeMap::new();
    text::walk_decodable(object, |step| {
        if let Some(Function { start, .. }) = object.function_at(step.section, step.offset) {
            let code = Code {
                instruction: step.instruction,
                relocated: !step.relocations.is_empty(),
            };
            functions
                .entry((step.section, *start))
                .or_default()
                .insert(step.offset, code);
        }
    });
    for (&(section, start), code) in &functions {
        let found = match frame(start, code) {
            Ok(size) if size <= limit => continue,
            Ok(size) => (start, format!("one of {size} bytes")),
            Err(offset) => (offset, "one whose size is computed at run time".to_owned()),
        };
        violations.add(
            object.place(section, found.0),
            format_args!("a stack frame of {limit} bytes at most"),
            found.1,
            "make large values in their final place (a pinned initialiser, a KBox or KVec, the device's data), and pass them by reference; if functions with buffers are inlined into this one, mark them #[inline(never)]",
        );
    }
    Seen::some(functions.len(), "the module has no functions")
}

/// Follows each path through a function.
fn frame(start: u64, code: &BTreeMap<u64, Code>) -> Frame {
    // The function starts with the return address on the stack.
    let entry = State {
        depth: 8,
        frame: None,
    };
    let (mut seen, mut ways) = (BTreeSet::new(), vec![(start, entry)]);
    // The code after a `ud2`. After `WARN()` the function continues there. After `BUG()` that code
    // is reached in another way, or not at all.
    let mut perhaps = Vec::new();
    let mut largest = entry.depth;
    while let Some((mut at, mut state)) = ways.pop().or_else(|| perhaps.pop()) {
        // An address has the same depth on each path. The compiler relies on this too.
        while let Some(Code {
            instruction,
            relocated,
        }) = code.get(&at)
            && seen.insert(at)
        {
            largest = largest.max(apply(instruction, &mut state).ok_or(at)?);
            let target = || (!relocated).then(|| (instruction.near_branch_target(), state));
            match instruction.flow_control() {
                FlowControl::UnconditionalBranch => {
                    ways.extend(target());
                    break;
                }
                FlowControl::ConditionalBranch => ways.extend(target()),
                FlowControl::Exception => {
                    perhaps.push((instruction.next_ip(), state));
                    break;
                }
                FlowControl::Return | FlowControl::IndirectBranch => break,
                _ => {}
            }
            at = instruction.next_ip();
        }
    }
    Ok(largest)
}

/// Applies the effect of the instruction to the state. Returns the depth of the stack, or of the
/// address that the instruction computes if that is deeper. Returns `None` if it is not known.
fn apply(instruction: &Instruction, state: &mut State) -> Option<i64> {
    let to = instruction.op0_register();
    let mut reached = 0;
    match instruction.mnemonic() {
        Mnemonic::Push | Mnemonic::Pushfq => state.depth += 8,
        Mnemonic::Pop if to == Register::RSP => {}
        Mnemonic::Pop | Mnemonic::Popfq => state.depth -= 8,
        Mnemonic::Mov if to == Register::RBP && instruction.op1_register() == Register::RSP => {
            state.frame = Some(state.depth);
        }
        Mnemonic::Mov if to == Register::RSP => {
            if let (Register::RBP, Some(frame)) = (instruction.op1_register(), state.frame) {
                state.depth = frame;
            }
        }
        Mnemonic::Leave => state.depth = state.frame.map_or(state.depth, |frame| frame - 8),
        Mnemonic::Sub | Mnemonic::Add if to == Register::RSP => {
            // A size in a register belongs to an array whose length is known only at run time.
            let bytes = constant(instruction)?;
            let down = instruction.mnemonic() == Mnemonic::Sub;
            let change = if down {
                Some(bytes)
            } else {
                bytes.checked_neg()
            };
            state.depth = state.depth.saturating_add(change?);
        }
        Mnemonic::And if to == Register::RSP => {
            // The mask is the negative alignment. The instruction moves `%rsp` by at most that,
            // minus the 8 bytes to which the stack is already aligned.
            let gap = constant(instruction)?.checked_neg()?.saturating_sub(8);
            state.depth = state.depth.saturating_add(gap.max(0));
        }
        Mnemonic::Lea if instruction.memory_index() == Register::None => {
            let distance = instruction.memory_displacement64().cast_signed();
            let base = match instruction.memory_base() {
                Register::RSP => Some(state.depth),
                Register::RBP => state.frame,
                _ => None,
            };
            let depth = base.map(|base| base.saturating_sub(distance));
            match depth {
                Some(depth) if to == Register::RSP => state.depth = depth,
                // The end of a loop that touches each page of a large frame.
                Some(depth) if instruction.memory_base() == Register::RSP => reached = depth,
                _ => {}
            }
        }
        _ => {}
    }
    Some(state.depth.max(reached))
}

/// Returns the second operand if it is a constant.
fn constant(instruction: &Instruction) -> Option<i64> {
    let is_constant = matches!(
        instruction.op1_kind(),
        OpKind::Immediate8to64 | OpKind::Immediate32to64 | OpKind::Immediate64
    );
    is_constant.then(|| instruction.immediate(1).cast_signed())
}

#[cfg(test)]
mod tests {
    use crate::checks::testing::Module;

    const EXPECTED: &str = "a stack frame of 1024 bytes at most";

    #[test]
    fn a_frame_up_to_the_limit_is_good() {
        // The return address, three registers, and the rest.
        let report = Module::good()
            .text("f", "push %rbx\npush %r12\npush %rbp\nsub $992, %rsp\ncall printk\nadd $992, %rsp\npop %rbp\npop %r12\npop %rbx")
            .text("g", "add $-128, %rsp\nsub $-128, %rsp")
            .check();
        assert_eq!(report.of("stack"), [], "{report}");
        assert_eq!(report.looked_at("stack"), 2);
    }

    #[test]
    fn a_larger_one_is_found_with_its_size() {
        let report = Module::good()
            .text("f", "push %rbx\nsub $1016, %rsp\nadd $1016, %rsp\npop %rbx")
            .text("g", "nop")
            .check();
        let found = report.only("stack");
        assert!(found.place.starts_with("f ("), "{report}");
        assert_eq!(
            (found.expected.as_str(), found.found.as_str()),
            (EXPECTED, "one of 1032 bytes")
        );
        assert!(found.remedy.contains("KBox"), "{report}");
    }

    #[test]
    fn ways_through_a_function_are_followed() {
        let small = "sub $600, %rsp\ntest %eax, %eax\nje 2f\nadd $600, %rsp\njmp 1f\n2: add $600, %rsp\n1: sub $600, %rsp\nadd $600, %rsp";
        // The second one adds to the depth only on the path where the first one's space is not
        // released.
        let large = "sub $600, %rsp\ntest %eax, %eax\nje 2f\nadd $600, %rsp\njmp 1f\n2: sub $600, %rsp\nadd $1200, %rsp\n1: nop";
        let report = Module::good()
            .text("small", small)
            .text("large", large)
            .check();
        let found = report.only("stack");
        assert!(found.place.starts_with("large ("), "{report}");
        assert_eq!(found.found, "one of 1208 bytes");
    }

    #[test]
    fn other_ways_to_take_stack_are_seen() {
        let report = Module::good()
            .text("lea", "lea -1500(%rsp), %rsp\nlea 1500(%rsp), %rsp")
            .text(
                "and",
                "push %rbp\nmov %rsp, %rbp\nsub $1000, %rsp\nand $-64, %rsp\nleave",
            )
            .text(
                "pages",
                "lea -8192(%rsp), %r11\n1: sub $4096, %rsp\nmovq $0, (%rsp)\ncmp %r11, %rsp\njne 1b\nadd $8192, %rsp",
            )
            .check();
        let found: Vec<_> = report
            .of("stack")
            .into_iter()
            .map(|violation| violation.found)
            .collect();
        assert_eq!(
            found,
            [
                "one of 1508 bytes",
                "one of 1072 bytes",
                "one of 8200 bytes"
            ]
        );
    }

    #[test]
    fn code_after_a_warning_is_followed() {
        let warns = "sub $600, %rsp\nud2\nsub $600, %rsp\nadd $1200, %rsp";
        let report = Module::good().text("f", warns).check();
        assert_eq!(report.only("stack").found, "one of 1208 bytes");
        // The space is already released at the code after the `ud2`.
        let bugs = "sub $600, %rsp\ntest %eax, %eax\nje 1f\nud2\n2: sub $600, %rsp\nadd $600, %rsp\njmp 3f\n1: add $600, %rsp\njmp 2b\n3: nop";
        assert_eq!(Module::good().text("f", bugs).check().of("stack"), []);
    }

    #[test]
    fn a_frame_pointer_gives_all_of_it_back() {
        let twice = "push %rbp\nmov %rsp, %rbp\nsub $800, %rsp\ntest %eax, %eax\nje 1f\nleave\njmp 2f\n1: lea -8(%rbp), %rsp\npop %rbx\npop %rbp\n2: sub $800, %rsp\nadd $800, %rsp";
        assert_eq!(Module::good().text("f", twice).check().of("stack"), []);
    }

    #[test]
    fn a_size_that_is_computed_is_found() {
        let report = Module::good()
            .text("f", "sub %rax, %rsp\nadd %rax, %rsp")
            .check();
        let found = report.only("stack");
        assert!(found.place.starts_with("f+"), "{report}");
        assert_eq!(found.found, "one whose size is computed at run time");
    }

    #[test]
    fn kasan_makes_frames_larger() {
        let module = |size| Module::good().config("CONFIG_KASAN=y").text("f", size);
        assert_eq!(
            module("sub $1500, %rsp\nadd $1500, %rsp")
                .check()
                .of("stack"),
            []
        );
        let report = module("sub $2048, %rsp\nadd $2048, %rsp").check();
        assert_eq!(
            report.only("stack").expected,
            "a stack frame of 2048 bytes at most"
        );
    }
}
