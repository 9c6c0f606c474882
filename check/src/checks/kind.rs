// SPDX-License-Identifier: GPL-2.0-only
//! The kind of a file: only a relocatable object for x86-64 is checked further.

use std::path::Path;

use linux_driver_host::{Error, Result};
use object::elf;

/// The index in `e_ident` of the class (32 or 64 bits); that of the byte order follows.
const CLASS: usize = 4;
const ORDER: usize = 5;

/// Checks that the file is a relocatable object for x86-64. The error says what it is instead.
pub(super) fn check(path: &Path, data: &[u8]) -> Result<()> {
    let expected =
        "an ELF object for x86-64, little-endian and relocatable (ET_REL), as a module is";
    let refuse =
        |found: &str, remedy: &str| Err(Error::new(path.display(), expected, found, remedy));
    if data.starts_with(b"!<arch>\n") {
        return refuse(
            "an archive of objects",
            "link it into one object first (`ld -r`)",
        );
    }
    if !data.starts_with(&elf::ELFMAG) {
        return refuse("another kind of file", "give the path of a .ko or .o file");
    }
    let half = |at: usize| {
        data.get(at..at + 2)
            .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    };
    let (Some(&class), Some(&order), Some(kind), Some(machine)) =
        (data.get(CLASS), data.get(ORDER), half(16), half(18))
    else {
        return refuse(
            &format!("an ELF file that ends after {} bytes", data.len()),
            "build it again",
        );
    };
    if order != elf::ELFDATA2LSB.0 {
        return refuse("a big-endian ELF file", "build it for the x86-64 kernel");
    }
    if class != elf::ELFCLASS64.0 || machine != elf::EM_X86_64.0 {
        let bits = if class == elf::ELFCLASS64.0 { 64 } else { 32 };
        return refuse(
            &format!(
                "a {bits}-bit ELF file for machine {machine} (x86-64 is {})",
                elf::EM_X86_64.0
            ),
            "build it for the x86-64 kernel",
        );
    }
    if kind != elf::ET_REL.0 {
        return refuse(
            &format!(
                "an ELF file of type {kind} (an object is {})",
                elf::ET_REL.0
            ),
            "give the .ko or .o file, not a linked program or library",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::Module;

    #[test]
    fn a_file_that_is_not_a_module_is_named() {
        let module = std::fs::read(Module::good().text("f", "nop").build().path()).unwrap();
        let refused = |bytes: &[u8]| check(Path::new("m.ko"), bytes).unwrap_err().to_string();
        let with = |at: usize, byte: u8| {
            let mut bytes = module.clone();
            bytes[at] = byte;
            refused(&bytes)
        };
        assert!(refused(b"").contains("another kind of file"));
        assert!(refused(b"!<arch>\nmore").contains("an archive"));
        assert!(refused(b"\x7fELF\x02\x01").contains("ends after 6 bytes"));
        assert!(with(CLASS, 1).contains("a 32-bit ELF file"));
        assert!(with(ORDER, 2).contains("big-endian"));
        assert!(with(18, 183).contains("machine 183"));
        assert!(with(16, 2).contains("type 2"));
    }
}
