// SPDX-License-Identifier: GPL-2.0-only
//! Padding: with CONFIG_CALL_PADDING, CONFIG_FUNCTION_PADDING_BYTES of nops precede each function.
//! The kernel writes call-depth accounting (`arch/x86/kernel/callthunks.c`) or a hash for FineIBT
//! there. Without the nops it would overwrite the end of the previous function.

use iced_x86::{Decoder, DecoderOptions, Mnemonic};

use super::Subject;
use super::report::{Seen, Violations};
use super::text;

const OPTION: &str = "CONFIG_CALL_PADDING";
const BYTES: &str = "CONFIG_FUNCTION_PADDING_BYTES";
/// `mov $hash, %eax`: the last instruction of the padding with CONFIG_CFI (CONFIG_CFI_CLANG up to
/// 6.17).
const HASH: usize = 5;
/// The length of the longest instruction.
const LONGEST: usize = 15;

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let (object, config) = (subject.object, subject.kernel.config);
    let wanted = config
        .value(BYTES)
        .and_then(|bytes| bytes.parse::<usize>().ok())
        .unwrap_or(0);
    if !config.is_set(OPTION) || wanted == 0 {
        return Seen::not_configured(&[OPTION]);
    }
    let cfi = config.any_set(&["CONFIG_CFI", "CONFIG_CFI_CLANG"]);
    let mut seen = 0;
    for (index, section) in object
        .executable()
        .filter(|(_, section)| section.name != text::TRAMPOLINES)
    {
        for function in object.functions(index) {
            // A compiler moves the rarely executed part of a function to `NAME.cold`. Code jumps to
            // it and does not call it.
            let name = &object.symbols[function.symbol].name;
            if name.contains(".cold") {
                continue;
            }
            seen += 1;
            let before = usize::try_from(function.start)
                .ok()
                .and_then(|start| section.data.get(..start))
                .unwrap_or_default();
            let padding = before.len().checked_sub(wanted).map(|from| &before[from..]);
            if !padding.is_some_and(|padding| {
                end_in_nops(before, wanted) || (cfi && ends_in_hash(padding))
            }) {
                let bytes: Vec<String> = before
                    .iter()
                    .rev()
                    .take(wanted)
                    .rev()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let found = if bytes.is_empty() {
                    "nothing: it is the first in its section".to_owned()
                } else {
                    bytes.join(" ")
                };
                violations.add(
                    object.place(index, function.start),
                    format_args!("{wanted} bytes of nops before it ({BYTES})"),
                    found,
                    format_args!("compile all of it, `core` too, with -Zpatchable-function-entry={wanted},{wanted} (Rust) or -fpatchable-function-entry={wanted},{wanted} (C); assembly starts a function with SYM_FUNC_START"),
                );
            }
        }
    }
    Seen::some(seen, "the module has no functions")
}

/// Returns whether the last `wanted` bytes are nops. The first nop may start before them, in the
/// bytes that align the function.
fn end_in_nops(bytes: &[u8], wanted: usize) -> bool {
    let Some(last) = bytes.len().checked_sub(wanted) else {
        return false;
    };
    (last.saturating_sub(LONGEST - 1)..=last).any(|from| is_nops(&bytes[from..]))
}

/// Returns whether the bytes are complete nops, each of one or more bytes.
fn is_nops(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(64, bytes, DecoderOptions::NONE);
    decoder
        .iter()
        .all(|instruction| instruction.mnemonic() == Mnemonic::Nop)
}

fn ends_in_hash(padding: &[u8]) -> bool {
    padding
        .len()
        .checked_sub(HASH)
        .is_some_and(|hash| padding[hash] == 0xb8 && is_nops(&padding[..hash]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::Module;

    #[test]
    fn a_function_without_padding_is_found() {
        let report = Module::good()
            .text("f", "nop")
            .raw(".text\n.type g, @function\ng: nop\n")
            .check();
        let violation = report.only("padding");
        assert!(violation.place == "g (.text)", "{violation}");
        let report = Module::good()
            .raw(".section .text.first,\"ax\"\n.type g, @function\ng: nop\n")
            .check();
        assert!(report.only("padding").found.starts_with("nothing"));
    }

    #[test]
    fn nops_of_any_length_are_good() {
        assert!(
            is_nops(&[0x90; 16])
                && is_nops(b"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x0f\x1f\x44\x00\x00\x90")
        );
        assert!(!is_nops(&[0xcc; 16]) && !is_nops(b"\x90\x66\x2e\x0f"));
        assert!(end_in_nops(
            b"\xcc\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x90",
            4
        ));
        assert!(!end_in_nops(b"\xe9\x00\x00\x00\x00\x66\x90", 4));
        let report = Module::good().text("f", "nop").check();
        assert_eq!(report.of("padding"), []);
        assert!(report.looked_at("padding") > 0);
    }

    #[test]
    fn cfi_puts_a_hash_at_the_end() {
        let module = || {
            Module::good()
                .raw(".text\n.nops 11, 1\nmovl $0x12345678, %eax\n.type f, @function\nf: nop\n")
        };
        assert_eq!(module().check().of("padding").len(), 1);
        assert_eq!(module().config("CONFIG_CFI=y").check().of("padding"), []);
    }

    #[test]
    fn a_part_that_is_only_jumped_to_needs_no_padding() {
        assert_eq!(
            Module::good()
                .text("f", "nop")
                .raw(".text\n.type f.cold, @function\nf.cold: nop\n")
                .check()
                .of("padding"),
            []
        );
    }

    #[test]
    fn a_kernel_without_padding_needs_no_padding() {
        let report = Module::good()
            .config("# CONFIG_CALL_PADDING is not set")
            .raw(".text\n.type g, @function\ng: nop\n")
            .check();
        assert_eq!(
            (report.of("padding").len(), report.looked_at("padding")),
            (0, 0)
        );
    }
}
