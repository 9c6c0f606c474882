// SPDX-License-Identifier: GPL-2.0-only
//! Texts that name what is in the machine, for a step whose name matches nothing there.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// The number of names that are listed.
const MOST: usize = 8;
/// The number of characters at the start that make two names similar.
const ALIKE: usize = 2;

/// A device of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The name in `/sys/bus/BUS/devices`.
    pub name: String,
    /// The modalias, or an empty text.
    pub modalias: String,
    /// The driver to which the device is bound.
    pub driver: Option<String>,
}

impl Display for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match pci_ids(&self.modalias) {
            Some(ids) => write!(f, "{ids} ({}, ", self.name)?,
            None => write!(f, "{} (", self.name)?,
        }
        match &self.driver {
            Some(driver) => write!(f, "bound to {driver})"),
            None => f.write_str("no driver)"),
        }
    }
}

/// Returns the vendor and the device of a PCI modalias or alias, as `pci:1234:11e8`.
fn pci_ids(modalias: &str) -> Option<String> {
    let (vendor, rest) = modalias.strip_prefix("pci:v")?.split_at_checked(8)?;
    let device = rest.strip_prefix('d')?.get(..8)?;
    let id = |digits: &str| u32::from_str_radix(digits, 16).ok();
    Some(format!("pci:{:04x}:{:04x}", id(vendor)?, id(device)?))
}

/// Returns an alias of a module in a short form: `pci:1234:11e8`, if it contains nothing else.
fn short(alias: &str) -> String {
    pci_ids(alias)
        .filter(|_| alias.ends_with("sv*sd*bc*sc*i*"))
        .unwrap_or_else(|| alias.to_owned())
}

/// Returns the entries of a module's ID table, which its aliases name.
pub fn table<'a>(aliases: impl IntoIterator<Item = &'a str>) -> String {
    let entries: BTreeSet<String> = aliases.into_iter().map(short).collect();
    match listed(entries) {
        None => "the module has no ID table".to_owned(),
        Some(entries) => format!("the module's ID table has {entries}"),
    }
}

/// Returns the names in one line, or nothing if there are none.
pub fn listed(names: impl IntoIterator<Item = impl Display>) -> Option<String> {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let shown = names[..names.len().min(MOST)].join(", ");
    match names.len() {
        0 => None,
        n if n > MOST => Some(format!("{shown}, and {} more", n - MOST)),
        _ => Some(shown),
    }
}

/// Returns those of the names that are similar to `wanted`, the most similar ones first. If none
/// is, returns all names if they are few, or else none.
pub fn similar(wanted: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let alike = |name: &String| {
        let same = wanted.chars().zip(name.chars());
        same.take_while(|(a, b)| a == b).count()
    };
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    names.sort_by_key(|name| std::cmp::Reverse(alike(name)));
    let count = names.iter().filter(|name| alike(name) >= ALIKE).count();
    if count > 0 || names.len() > MOST {
        names.truncate(count);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_shown_with_what_a_step_can_name() {
        let mut device = Present {
            name: "0000:00:01.0".into(),
            modalias: "pci:v00001234d000011E8sv00001AF4sd00001100bc00scFFi00".into(),
            driver: None,
        };
        assert_eq!(
            device.to_string(),
            "pci:1234:11e8 (0000:00:01.0, no driver)"
        );
        device.modalias = "platform:lamp".into();
        device.name = "lamp.1".into();
        device.driver = Some("rust_lamp".into());
        assert_eq!(device.to_string(), "lamp.1 (bound to rust_lamp)");
    }

    #[test]
    fn a_table_is_shown_as_the_driver_writes_it() {
        assert_eq!(
            table([
                "pci:v00001234d000011E8sv*sd*bc*sc*i*",
                "pci:v00001234d000011E8sv*sd*bc*sc*i*",
                "pci:v00001234d000011E9sv00000001sd*bc*sc*i*",
                "pci:v*d*sv*sd*bc02sc*i*",
                "platform:lamp",
            ]),
            "the module's ID table has pci:1234:11e8, pci:v*d*sv*sd*bc02sc*i*, \
             pci:v00001234d000011E9sv00000001sd*bc*sc*i*, platform:lamp"
        );
        assert_eq!(table([]), "the module has no ID table");
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(listed(1..=8).unwrap(), "1, 2, 3, 4, 5, 6, 7, 8");
        assert_eq!(
            listed(1..=10).unwrap(),
            "1, 2, 3, 4, 5, 6, 7, 8, and 2 more"
        );
        assert_eq!(listed([""; 0]), None);
    }

    #[test]
    fn similar_names_come_first() {
        let names = || ["tty1", "edu_first-8", "edu2", "null"].map(str::to_owned);
        assert_eq!(similar("edu_forst-8", names()), ["edu_first-8", "edu2"]);
        assert_eq!(
            similar("lamp", names()),
            ["edu2", "edu_first-8", "null", "tty1"]
        );
        let many = (0..9).map(|number| format!("tty{number}"));
        assert!(similar("lamp", many).is_empty());
    }
}
