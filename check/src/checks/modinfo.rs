// SPDX-License-Identifier: GPL-2.0-only
//! `.modinfo`: the module's description of itself, as `tag=value` strings that each end with a zero
//! byte.

use std::collections::BTreeMap;
use std::path::Path;

use linux_driver_host::Result;

use super::Subject;
use super::elf::{self, Object};
use super::report::{Seen, Violations};

/// The values of each tag, in the order of the file.
pub type ModInfo = BTreeMap<String, Vec<String>>;

/// The tags that every module should have, and the tool that writes each.
const WANTED: [(&str, &str); 5] = [
    (
        "license",
        "declare the module's license (MODULE_LICENSE); without one the kernel is tainted and no EXPORT_SYMBOL_GPL can be used",
    ),
    ("author", "declare the module's author (MODULE_AUTHOR)"),
    (
        "description",
        "declare the module's description (MODULE_DESCRIPTION); modpost warns without",
    ),
    (
        "name",
        "let modpost finish the module (`make modules`): it writes the name",
    ),
    (
        "depends",
        "let modpost finish the module (`make modules`): it writes the modules that this one needs",
    ),
];

/// Tags for which an empty value has a meaning: the module needs no other module.
const MAY_BE_EMPTY: [&str; 1] = ["depends"];

/// Reads the `.modinfo` of the module `ko`: license, aliases, parameters, and so on.
pub fn modinfo(ko: &Path) -> Result<ModInfo> {
    let data = elf::read(ko)?;
    Ok(of(&Object::parse(ko, &data)?))
}

/// Returns the `.modinfo` of this object.
pub(super) fn of(object: &Object<'_>) -> ModInfo {
    let section = object.section(".modinfo");
    parse(section.map(|section| section.data).unwrap_or_default())
}

/// Returns the tags in the contents of a `.modinfo` section.
pub(super) fn parse(data: &[u8]) -> ModInfo {
    let mut info = ModInfo::new();
    for entry in data
        .split(|&byte| byte == 0)
        .filter(|entry| !entry.is_empty())
    {
        let entry = String::from_utf8_lossy(entry);
        if let Some((tag, value)) = entry.split_once('=') {
            info.entry(tag.to_owned())
                .or_default()
                .push(value.to_owned());
        }
    }
    info
}

/// Returns the first value of a tag, which is the one that the loader uses (`get_modinfo`).
pub(super) fn first<'m>(info: &'m ModInfo, tag: &str) -> Option<&'m str> {
    info.get(tag)?.first().map(String::as_str)
}

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let info = subject.modinfo;
    for (tag, remedy) in WANTED {
        match first(info, tag) {
            None => violations.add(".modinfo", format_args!("{tag}="), "no such entry", remedy),
            Some("") if !MAY_BE_EMPTY.contains(&tag) => violations.add(
                ".modinfo",
                format_args!("{tag}= with a value"),
                "an empty value",
                remedy,
            ),
            Some(_) => {}
        }
    }
    let aliases = info.get("alias").map(Vec::as_slice).unwrap_or_default();
    for bus in &subject.expect.id_tables {
        if !aliases.iter().any(|alias| is_for_bus(alias, bus)) {
            let found = if aliases.is_empty() {
                "no alias at all".to_owned()
            } else {
                format!("only {}", aliases.join(", "))
            };
            violations.add(
                ".modinfo",
                format_args!("alias={bus}:… for the table of {bus} device IDs; udev loads the module by it"),
                found,
                "give the table to MODULE_DEVICE_TABLE in the C part; modpost finds it by the alias that this macro emits, and its name differs between kernels",
            );
        }
    }
    Seen::some(
        info.values().map(Vec::len).sum(),
        "the module has no .modinfo",
    )
}

/// Returns whether an alias is for this bus. Aliases start with the bus and a colon. Those of ACPI
/// start with `acpi*:`, because its devices have several names.
fn is_for_bus(alias: &str, bus: &str) -> bool {
    alias
        .strip_prefix(bus)
        .is_some_and(|rest| rest.starts_with(':') || rest.starts_with("*:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Expectations;
    use crate::checks::testing::Module;

    #[test]
    fn each_missing_entry_is_found() {
        for tag in ["license", "author", "description", "name", "depends"] {
            let report = Module::good().modinfo(tag, None).check();
            assert_eq!(report.only("modinfo").expected, format!("{tag}="));
        }
        assert_eq!(
            Module::good()
                .modinfo("author", Some(""))
                .check()
                .only("modinfo")
                .found,
            "an empty value"
        );
        assert_eq!(
            Module::good()
                .modinfo("depends", Some(""))
                .check()
                .of("modinfo"),
            []
        );
    }

    #[test]
    fn a_table_of_ids_needs_its_alias() {
        let expect = Expectations {
            id_tables: vec!["pci".to_owned()],
        };
        let report = Module::good().check_expecting(&expect);
        assert!(report.only("modinfo").expected.starts_with("alias=pci:"));
        let report = Module::good()
            .modinfo("alias", Some("platform:edu"))
            .check_expecting(&expect);
        assert!(report.only("modinfo").found.contains("platform:edu"));
        let report = Module::good()
            .modinfo("alias", Some("pci:v00001234d000011E8sv*sd*bc*sc*i*"))
            .check_expecting(&expect);
        assert_eq!(report.of("modinfo"), []);
    }

    #[test]
    fn buses_are_told_apart() {
        assert!(
            is_for_bus("pci:v0000", "pci")
                && is_for_bus("acpi*:PNP0501:*", "acpi")
                && is_for_bus("of:N*T*Cedu", "of")
        );
        assert!(!is_for_bus("pci_epf:x", "pci") && !is_for_bus("devname:x", "pci"));
    }

    #[test]
    fn every_value_of_a_tag_is_read() {
        let module = Module::good()
            .modinfo("alias", Some("pci:a=b"))
            .raw(".section .modinfo,\"a\"\n.asciz \"alias=pci:c\"\n");
        let built = module.build();
        let info = modinfo(built.path()).unwrap();
        assert_eq!(info["alias"], ["pci:a=b", "pci:c"]);
        assert_eq!(first(&info, "license"), Some("GPL"));
    }
}
