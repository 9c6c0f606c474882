// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's taint marks (`Documentation/admin-guide/tainted-kernels.rst`).

use serde::Serialize;

/// The marks by bit: the letter that an oops shows, and the meaning.
const FLAGS: [(char, &str); 20] = [
    ('P', "a proprietary module was loaded"),
    ('F', "a module was loaded by force"),
    (
        'S',
        "the processor or the system is out of its specification",
    ),
    ('R', "a module was unloaded by force"),
    ('M', "a machine check was reported"),
    ('B', "a bad page was found"),
    ('U', "user space asked for the mark"),
    ('D', "the kernel died: an oops or a BUG"),
    ('A', "an ACPI table was overridden"),
    ('W', "the kernel warned"),
    ('C', "a staging driver was loaded"),
    ('I', "a bug in the platform's firmware was worked around"),
    ('O', "a module from outside the kernel's tree was loaded"),
    ('E', "an unsigned module was loaded"),
    ('L', "a soft lockup occurred"),
    ('K', "the kernel was live-patched"),
    ('X', "the distribution's own mark"),
    (
        'T',
        "the kernel was built with structure layout randomisation",
    ),
    ('N', "an in-kernel test was run"),
    ('J', "user space changed a device through fwctl"),
];

/// The marks that every out-of-tree module causes: O and E.
const OURS: u64 = 1 << 12 | 1 << 13;

/// A taint mark of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// The mark's bit in `/proc/sys/kernel/tainted`.
    pub bit: u32,
    /// The mark's letter, or `?` for a mark that is newer than this list.
    pub letter: char,
    /// The meaning of the mark.
    pub meaning: &'static str,
}

/// Returns the marks in a value of `/proc/sys/kernel/tainted`.
pub fn flags(tainted: u64) -> Vec<Flag> {
    (0..u64::BITS)
        .filter(|bit| tainted >> bit & 1 == 1)
        .map(|bit| {
            let (letter, meaning) = *FLAGS
                .get(bit as usize)
                .unwrap_or(&('?', "a mark that is not in our list"));
            Flag {
                bit,
                letter,
                meaning,
            }
        })
        .collect()
}

/// Returns the marks that are in the second value and not in the first. Leaves out the marks that
/// every out-of-tree module causes.
pub fn troubling(before: u64, after: u64) -> Vec<Flag> {
    flags(after & !before & !OURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(flags: &[Flag]) -> String {
        flags.iter().map(|flag| flag.letter).collect()
    }

    #[test]
    fn each_bit_has_its_letter() {
        assert_eq!(letters(&flags(1 | 1 << 9 | 1 << 12 | 1 << 13)), "PWOE");
        assert_eq!(letters(&flags(0xf_ffff)), "PFSRMBUDAWCIOELKXTNJ");
        assert_eq!(letters(&flags(1 << 40)), "?");
        assert!(flags(0).is_empty());
    }

    #[test]
    fn only_taints_that_the_run_added_are_problems() {
        assert_eq!(letters(&troubling(0, 1 << 12 | 1 << 13)), "");
        assert_eq!(
            letters(&troubling(1 << 16, 1 << 16 | 1 << 9 | 1 << 12)),
            "W"
        );
    }
}
