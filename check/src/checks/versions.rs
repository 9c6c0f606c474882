// SPDX-License-Identifier: GPL-2.0-only
//! Checksums of symbols: `check_version` in `kernel/module/version.c` refuses a symbol whose C type
//! has changed since the module was built.
//!
//! modpost writes the checksums into `__versions` (`struct modversion_info`: a checksum of 8 bytes
//! and a name of 56). With CONFIG_EXTENDED_MODVERSIONS it writes two sections, for names of any
//! length.

use std::collections::BTreeMap;

use super::Subject;
use super::elf::{At, Object};
use super::names;
use super::report::{Seen, Violations};

const ENTRY: usize = 64;
const CRC: usize = 8;

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let (object, kernel) = (subject.object, subject.kernel);
    if !kernel.config.is_set("CONFIG_MODVERSIONS") {
        return Seen::not_configured(&["CONFIG_MODVERSIONS"]);
    }
    let versions = versions(object);
    let mut seen = 0;
    // A weak symbol may be missing. One that the kernel has is checked like any other.
    let undefined = object
        .symbols
        .iter()
        .skip(1)
        .filter(|symbol| symbol.at == At::Undefined);
    for symbol in undefined {
        // Another check reports a symbol that is not exported.
        let Some(export) = kernel.symvers.get(&symbol.name) else {
            continue;
        };
        seen += 1;
        let found = match versions.get(&*symbol.name) {
            Some(&crc) if crc == export.crc => continue,
            Some(crc) => format!(
                "{crc:#010x}, so that the kernel \"disagrees about version of symbol {}\"",
                symbol.name
            ),
            None => "none, so that the kernel says \"no symbol version\"".to_owned(),
        };
        violations.add(
            names::quoted(&symbol.name),
            format_args!("the kernel's checksum {:#010x} in __versions", export.crc),
            found,
            "build the module against the build tree of the kernel that will load it, with its Module.symvers",
        );
    }
    Seen::some(seen, "the module uses no exported symbol")
}

/// Returns the checksums in the module, by symbol.
fn versions(object: &Object<'_>) -> BTreeMap<String, u32> {
    parse(|name| {
        object
            .section(name)
            .map(|section| section.data)
            .unwrap_or_default()
    })
}

/// Returns the checksums in these sections, by symbol. `data` returns the contents of a section.
pub(super) fn parse<'d>(data: impl Fn(&str) -> &'d [u8]) -> BTreeMap<String, u32> {
    let mut versions = BTreeMap::new();
    for entry in data("__versions").chunks_exact(ENTRY) {
        if let Some(crc) = word(entry) {
            versions.insert(string(&entry[CRC..]), crc);
        }
    }
    let names = data("__version_ext_names").split(|&byte| byte == 0);
    for (crc, name) in data("__version_ext_crcs").chunks_exact(4).zip(names) {
        if let Some(crc) = word(crc) {
            versions.insert(string(name), crc);
        }
    }
    versions
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn string(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use crate::checks::testing::Module;

    fn with(entries: &str) -> Module {
        Module::good()
            .config("CONFIG_MODVERSIONS=y")
            .modinfo("vermagic", None)
            .text("f", "call printk")
            .raw(entries)
    }

    const FENTRY: &str =
        ".section __versions,\"a\"\n.quad 0x33333333\n.ascii \"__x86_return_thunk\"\n.zero 38\n";

    #[test]
    fn a_checksum_has_to_be_the_kernels() {
        let good = with(&format!(
            "{FENTRY}.quad 0x11111111\n.ascii \"printk\"\n.zero 50\n"
        ))
        .check();
        assert_eq!(good.of("versions"), []);
        assert_eq!(good.looked_at("versions"), 2);
        let other = with(&format!(
            "{FENTRY}.quad 0x12345678\n.ascii \"printk\"\n.zero 50\n"
        ))
        .check();
        assert!(
            other.only("versions").found.starts_with("0x12345678"),
            "{}",
            other.only("versions")
        );
        let none = with(FENTRY).check();
        assert!(none.only("versions").found.starts_with("none"));
    }

    #[test]
    fn a_weak_symbol_that_the_kernel_exports_is_checked_too() {
        let with_weak = |crc: &str| {
            let printk = ".quad 0x11111111\n.ascii \"printk\"\n.zero 50\n";
            with(&format!(
                "{FENTRY}{printk}{crc}.data\n.weak pv_ops, absent\n.quad pv_ops, absent\n"
            ))
            .check()
        };
        let good = with_weak(".quad 0x77777777\n.ascii \"pv_ops\"\n.zero 50\n");
        assert_eq!(good.of("versions"), []);
        assert_eq!(good.looked_at("versions"), 3);
        assert_eq!(with_weak("").only("versions").place, "`pv_ops`");
        let other = with_weak(".quad 0x12345678\n.ascii \"pv_ops\"\n.zero 50\n");
        assert!(other.only("versions").found.starts_with("0x12345678"));
    }

    #[test]
    fn the_extended_form_is_read() {
        let report = with(&format!("{FENTRY}.section __version_ext_crcs,\"a\"\n.long 0x11111111\n.section __version_ext_names,\"a\"\n.asciz \"printk\"\n")).check();
        assert_eq!(report.of("versions"), []);
    }

    #[test]
    fn a_kernel_without_checksums_has_none_to_check() {
        assert_eq!(Module::good().check().looked_at("versions"), 0);
    }
}
