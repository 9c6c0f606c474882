// SPDX-License-Identifier: GPL-2.0-only
//! The names of the guest's devices in a plan.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A device of the guest: `pci:1234:11e8`, `pci:1234:11e8#1`, `platform/serial8250`, or
/// `pci~pci:v00001234d000011E8sv*sd*bc*sc*i*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The PCI device with this vendor and device ID. If there are several, `nth` selects one in
    /// the order of their addresses, from 0.
    Pci {
        /// The vendor ID.
        vendor: u16,
        /// The device ID.
        device: u16,
        /// The index among several such devices, from 0.
        nth: usize,
    },
    /// The device of this name on this bus, as in `/sys/bus/BUS/devices/NAME`.
    Named {
        /// The bus: `pci`, `platform`, …
        bus: String,
        /// The device's name on the bus.
        name: String,
    },
    /// The first device of this bus, in the order of their names, whose modalias matches one of
    /// these patterns. Written with a space between the patterns.
    Matching {
        /// The bus: `pci`, `platform`, …
        bus: String,
        /// Patterns of fnmatch(3), as in a module's aliases.
        patterns: Vec<String>,
    },
}

impl Device {
    /// Returns the bus of the device, as a folder of `/sys/bus`.
    pub fn bus(&self) -> &str {
        match self {
            Self::Pci { .. } => "pci",
            Self::Named { bus, .. } | Self::Matching { bus, .. } => bus,
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a device: expected pci:VENDOR:DEVICE in hexadecimal (with #1 for the second of its kind), BUS/NAME, or BUS~PATTERN with patterns of modaliases"
            )
        };
        let plain =
            |word: &str| !word.is_empty() && word != "." && word != ".." && !word.contains('/');
        if let Some((bus, patterns)) = text
            .split_once('~')
            .filter(|(bus, _)| plain(bus) && !bus.contains(':'))
        {
            let patterns: Vec<String> = patterns.split(' ').map(str::to_owned).collect();
            return if patterns.iter().any(String::is_empty) {
                Err(wrong())
            } else {
                Ok(Self::Matching {
                    bus: bus.to_owned(),
                    patterns,
                })
            };
        }
        if let Some(ids) = text.strip_prefix("pci:") {
            let (ids, nth) = match ids.split_once('#') {
                Some((ids, nth)) => (ids, nth.parse().map_err(|_| wrong())?),
                None => (ids, 0),
            };
            let (vendor, device) = ids.split_once(':').ok_or_else(wrong)?;
            let id = |word: &str| u16::from_str_radix(word, 16).map_err(|_| wrong());
            return Ok(Self::Pci {
                vendor: id(vendor)?,
                device: id(device)?,
                nth,
            });
        }
        match text.split_once('/') {
            Some((bus, name)) if plain(bus) && plain(name) => Ok(Self::Named {
                bus: bus.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(wrong()),
        }
    }
}

impl Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci {
                vendor,
                device,
                nth: 0,
            } => write!(f, "pci:{vendor:04x}:{device:04x}"),
            Self::Pci {
                vendor,
                device,
                nth,
            } => write!(f, "pci:{vendor:04x}:{device:04x}#{nth}"),
            Self::Named { bus, name } => write!(f, "{bus}/{name}"),
            Self::Matching { bus, patterns } => write!(f, "{bus}~{}", patterns.join(" ")),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_as_it_is_written() {
        for text in [
            "pci:1234:11e8",
            "pci:1234:11e8#1",
            "platform/serial8250",
            "pci/0000:00:04.0",
            "pci~pci:v00001234d000011E8sv*sd*bc*sc*i* pci:v00001B36d*sv*sd*bc*sc*i*",
        ] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!(
            "pci:1234:11e8#2".parse(),
            Ok(Device::Pci {
                vendor: 0x1234,
                device: 0x11e8,
                nth: 2
            })
        );
    }

    #[test]
    fn a_text_that_names_no_device_is_refused() {
        for text in [
            "",
            "edu",
            "pci:1234",
            "pci:12345:1",
            "pci:1:2#x",
            "/name",
            "bus/",
            "bus/../x",
            "../x",
            "pci~",
            "pci~a  b",
            "~a",
        ] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
