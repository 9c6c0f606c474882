// SPDX-License-Identifier: GPL-2.0-only
//! PCI devices: those of this computer, and those that QEMU has.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::path::Path;
use std::str::FromStr;

use linux_driver_host::table::aligned;
use linux_driver_host::{Result, fs};

/// The IDs of a PCI device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) vendor: u16,
    pub(super) device: u16,
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            let is_id = (1..=4).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let number = is_id.then(|| u16::from_str_radix(digits, 16).ok());
            number.flatten()
        };
        let ids = text.split_once(':').and_then(|(vendor, device)| {
            Some(Self {
                vendor: number(vendor)?,
                device: number(device)?,
            })
        });
        ids.ok_or_else(|| {
            "expected VENDOR:DEVICE, each of up to four hexadecimal digits, as `lspci -nn` and \
             `cargo xtask new --list` print them"
                .to_owned()
        })
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

/// Devices of QEMU that need no further property, with their IDs. A test asks QEMU for them.
pub(super) const OF_QEMU: [(Id, &str); 10] = [
    (id(0x1234, 0x11e8), "edu"),
    (id(0x1b36, 0x0005), "pci-testdev"),
    (id(0x1b36, 0x000d), "qemu-xhci"),
    (id(0x8086, 0x100e), "e1000,romfile="),
    (id(0x8086, 0x10d3), "e1000e,romfile="),
    (id(0x10ec, 0x8139), "rtl8139,romfile="),
    (id(0x1022, 0x2000), "pcnet,romfile="),
    (id(0x8086, 0x2668), "intel-hda"),
    (id(0x8086, 0x2922), "ich9-ahci"),
    (id(0x1000, 0x0012), "lsi53c895a,romfile="),
];

const fn id(vendor: u16, device: u16) -> Id {
    Id { vendor, device }
}

/// Returns the PCI devices of the system whose root folder is `root`, as a table.
pub(super) fn list(root: &Path) -> Result<String> {
    let folder = root.join("sys/bus/pci/devices");
    let mut devices = if folder.is_dir() {
        fs::read_dir(&folder)?
    } else {
        Vec::new()
    };
    devices.sort();
    if devices.is_empty() {
        return Ok("this computer has no PCI device\n".to_owned());
    }
    let names = Names::read(root)?;
    let mut rows = vec![
        ["ADDRESS", "ID", "CLASS", "DRIVER", "NAME"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for device in devices {
        let number = |file: &str| {
            let text = fs::read_to_string(device.join(file)).unwrap_or_default();
            u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).unwrap_or(0)
        };
        let id = id(number("vendor") as u16, number("device") as u16);
        let class = number("class") >> 8;
        let last = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        let driver = std::fs::read_link(device.join("driver"));
        rows.push(vec![
            last(&device),
            id.to_string(),
            names.class(class),
            driver.map_or_else(|_| "none".to_owned(), |driver| last(&driver)),
            names.device(id),
        ]);
    }
    Ok(aligned(&rows))
}

/// The names of `pci.ids`, if the system has it.
#[derive(Default)]
struct Names {
    vendors: HashMap<u16, String>,
    devices: HashMap<Id, String>,
    classes: HashMap<u32, String>,
}

impl Names {
    fn read(root: &Path) -> Result<Self> {
        let places = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"];
        let file = places
            .map(|place| root.join(place))
            .into_iter()
            .find(|path| path.is_file());
        match file {
            Some(path) => Ok(Self::parse(&String::from_utf8_lossy(&fs::read(path)?))),
            None => Ok(Self::default()),
        }
    }

    /// Reads the format of `pci.ids`: a line for each vendor, with its devices indented by a tab;
    /// and a line that starts with C for each class, with its subclasses in the same way.
    fn parse(text: &str) -> Self {
        let mut names = Self::default();
        // The vendor or class to which the indented lines belong.
        let mut under = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let depth = line.bytes().take_while(|byte| *byte == b'\t').count();
            let Some((word, name)) = line.trim_start_matches('\t').split_once("  ") else {
                continue;
            };
            let of_class = word.strip_prefix("C ");
            let Ok(number) = u16::from_str_radix(of_class.unwrap_or(word).trim(), 16) else {
                under = under.filter(|_| depth > 0);
                continue;
            };
            match (depth, under) {
                (0, _) => {
                    under = Some((of_class.is_some(), number));
                    if of_class.is_none() {
                        names.vendors.insert(number, name.to_owned());
                    }
                }
                (1, Some((true, class))) => {
                    let class = u32::from(class) << 8 | u32::from(number);
                    names.classes.insert(class, name.to_owned());
                }
                (1, Some((false, vendor))) => {
                    names.devices.insert(id(vendor, number), name.to_owned());
                }
                _ => {}
            }
        }
        names
    }

    fn class(&self, class: u32) -> String {
        self.classes
            .get(&class)
            .cloned()
            .unwrap_or_else(|| format!("{class:04x}"))
    }

    fn device(&self, id: Id) -> String {
        let parts = [self.vendors.get(&id.vendor), self.devices.get(&id)];
        let known: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        known.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal() {
        assert_eq!("1234:11E8".parse(), Ok(id(0x1234, 0x11e8)));
        assert_eq!("8:a".parse::<Id>().unwrap().to_string(), "0008:000a");
        for wrong in ["1234", "1234:", "12345:1", "0x1:2", "1:2:3", "+1:2", "é:1"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_devices_of_a_system_are_listed_with_names_and_drivers() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            list(dir.path()).unwrap(),
            "this computer has no PCI device\n"
        );
        for (address, vendor, device, class) in [
            ("0000:00:02.0", "0x8086", "0x10d3", "0x020000"),
            ("0000:00:01.0", "0x1234", "0x11e8", "0x00ff00"),
        ] {
            let folder = dir.path().join("sys/bus/pci/devices").join(address);
            std::fs::create_dir_all(&folder).unwrap();
            for (file, text) in [("vendor", vendor), ("device", device), ("class", class)] {
                std::fs::write(folder.join(file), format!("{text}\n")).unwrap();
            }
        }
        let bound = dir.path().join("sys/bus/pci/devices/0000:00:02.0/driver");
        std::os::unix::fs::symlink("../../../bus/pci/drivers/e1000e", bound).unwrap();
        let without = list(dir.path()).unwrap();
        assert!(
            without.contains("0000:00:01.0  1234:11e8  00ff   none"),
            "{without}"
        );

        let misc = dir.path().join("usr/share/misc");
        std::fs::create_dir_all(&misc).unwrap();
        let ids = "# a comment\n8086  Intel Corporation\n\t10d3  82574L\n\t\t8086 a01f  other\n\
                   C 02  Network controller\n\t00  Ethernet controller\n\t\t01  other\n";
        std::fs::write(misc.join("pci.ids"), ids).unwrap();
        let list = list(dir.path()).unwrap();
        let lines: Vec<&str> = list.lines().collect();
        assert!(
            lines[1].ends_with("none    ") || lines[1].ends_with("none"),
            "{list}"
        );
        let words: Vec<&str> = lines[2].split_whitespace().collect();
        assert_eq!(
            words[1..4],
            ["8086:10d3", "Ethernet", "controller"],
            "{list}"
        );
        assert!(
            lines[2].ends_with("e1000e  Intel Corporation 82574L"),
            "{list}"
        );
    }
}
