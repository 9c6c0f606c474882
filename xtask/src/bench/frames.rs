// SPDX-License-Identifier: GPL-2.0-only
//! The stack use of a module's functions, from the machine code that `objdump` (binutils) prints.

use std::path::Path;
use std::process::Command;

use linux_driver_host::{Error, Result, process};

/// The function of a module with the largest stack frame.
pub(super) struct Frame {
    pub(super) function: String,
    pub(super) bytes: u32,
}

pub(super) fn largest(ko: &Path) -> Result<Frame> {
    let said = process::run(
        Command::new("objdump")
            .args(["-dC", "--no-show-raw-insn"])
            .arg(ko),
    )?;
    of_listing(&said).ok_or_else(|| {
        Error::new(
            ko.display(),
            "functions in the output of `objdump -d`",
            "none",
            "build it again, and look at the output of `objdump -d FILE`",
        )
    })
}

/// Returns the largest frame in a listing. A frame is the sum of the bytes that the function pushes
/// and those that it subtracts from the stack pointer.
fn of_listing(listing: &str) -> Option<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in listing.lines() {
        if let Some(name) = line
            .strip_suffix(">:")
            .and_then(|line| line.split_once('<'))
        {
            frames.push(Frame {
                function: name.1.to_owned(),
                bytes: 0,
            });
        } else if let (Some(frame), Some((_, instruction))) =
            (frames.last_mut(), line.split_once(":\t"))
        {
            frame.bytes = frame.bytes.saturating_add(taken(instruction));
        }
    }
    frames.into_iter().max_by_key(|frame| frame.bytes)
}

/// Returns the number of bytes that an instruction takes from the stack.
fn taken(instruction: &str) -> u32 {
    let mut words = instruction.split_whitespace();
    match (words.next(), words.next()) {
        (Some("push"), Some(_)) => 8,
        (Some("sub"), Some(operands)) => operands
            .strip_suffix(",%rsp")
            .and_then(|number| number.strip_prefix("$0x"))
            .and_then(|number| u32::from_str_radix(number, 16).ok())
            .unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_what_is_pushed_and_subtracted() {
        let listing = "\nDisassembly of section .text:\n\n0000000000000010 <small>:\n  10:\tendbr64\n  14:\tpush   %rbx\n  \
                       15:\tret\n\n0000000000000020 <large>:\n  20:\tpush   %rbp\n  21:\tsub    $0x410,%rsp\n  28:\tsub    \
                       $0x8,%rax\n  2f:\tret\n";
        let frame = of_listing(listing).unwrap();
        assert_eq!((frame.function.as_str(), frame.bytes), ("large", 0x418));
        assert!(of_listing("").is_none());
    }
}
