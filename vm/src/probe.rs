// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's messages about a probe that failed.

use crate::Errno;

/// A probe that failed, as the driver core reports it. The driver core does not report `-ENODEV`
/// and `-ENXIO` ("rejects match"), nor a deferred probe (`-EPROBE_DEFER`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFailure {
    /// The device, by its name in `/sys/bus/BUS/devices`.
    pub device: String,
    /// The driver, by its name in `/sys/bus/BUS/drivers`.
    pub driver: String,
    /// The return value of `probe`.
    pub errno: Errno,
    /// The kernel's whole message.
    pub message: String,
}

impl ProbeFailure {
    /// Reads a message of `call_driver_probe` (`drivers/base/dd.c`). Up to 6.9 it is `edu: probe of
    /// 0000:00:01.0 failed with error -22`. Later it is `edu 0000:00:01.0: probe with driver edu
    /// failed with error -22`.
    pub fn read(message: &str) -> Option<Self> {
        let (what, number) = message.rsplit_once(" failed with error -")?;
        let errno = number.trim_end().parse().ok()?;
        let (device, driver) = match what.split_once(": probe with driver ") {
            Some((before, driver)) => (before.rsplit(' ').next()?, driver),
            None => {
                let (driver, device) = what.split_once(": probe of ")?;
                (device, driver)
            }
        };
        Some(Self {
            device: device.to_owned(),
            driver: driver.to_owned(),
            errno: Errno(errno),
            message: message.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for message in [
            "edu: probe of 0000:00:01.0 failed with error -22",
            "edu 0000:00:01.0: probe with driver edu failed with error -22",
        ] {
            let failure = ProbeFailure::read(message).unwrap();
            assert_eq!(
                (failure.device.as_str(), failure.driver.as_str()),
                ("0000:00:01.0", "edu")
            );
            assert_eq!(
                (failure.errno, failure.message.as_str()),
                (Errno(22), message)
            );
        }
    }

    #[test]
    fn other_messages_are_not_probe_failures() {
        for message in [
            "edu 0000:00:01.0: edu device, version 1.0",
            "edu 0000:00:01.0: enabling failed with error -22",
            "edu: probe of 0000:00:01.0 failed with error none",
        ] {
            assert_eq!(ProbeFailure::read(message), None, "{message}");
        }
    }
}
