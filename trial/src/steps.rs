// SPDX-License-Identifier: GPL-2.0-only
//! The steps of a driver's life: the default if its manifest lists no steps.

use linux_driver_host::{Error, Result};
use linux_driver_kbuild::DriverCrate;
use linux_driver_vm::{Action, Device, Step};

use crate::settings::Settings;

/// The names of the steps in which a driver must log its messages.
pub(crate) const LOADED: &str = "the module is loaded";
pub(crate) const PROBED: &str = "the device is bound";
/// The name of the step in which the driver must log its messages for the removal of its device.
pub(crate) const REMOVED: &str = "the device is unbound";
const REBOUND: &str = "the device is bound again";
const UNLOADED: &str = "the module is unloaded";
const UNREGISTERED: &str = "the driver is unregistered";
const DEVICES_BOUND: &str = "each device is bound";

/// The buses whose devices appear in a module's aliases, by the prefix of the aliases.
const BUSES: [(&str, &str); 3] = [
    ("pci:", "pci"),
    ("platform:", "platform"),
    ("acpi*:", "platform"),
];

/// Returns the first device of the first bus that one of these aliases names.
fn device_of(aliases: &[String]) -> Option<Device> {
    let bus_of = |alias: &String| {
        BUSES
            .iter()
            .find(|(prefix, _)| alias.starts_with(prefix))
            .map(|(_, bus)| *bus)
    };
    let bus = aliases.iter().find_map(bus_of)?;
    let patterns = aliases
        .iter()
        .filter(|alias| bus_of(alias) == Some(bus))
        .cloned()
        .collect();
    Some(Device::Matching {
        bus: bus.to_owned(),
        patterns,
    })
}

/// Returns the path of the driver's module in the machine.
pub(crate) fn module_path(source: &DriverCrate) -> String {
    format!("/{}.ko", source.module)
}

/// Returns the steps of a driver's life: those of its manifest, or else the usual ones. `aliases`
/// are those of its module.
///
/// # Errors
///
/// Fails if the manifest names a device in the wrong form.
pub(crate) fn of(
    source: &DriverCrate,
    settings: &Settings,
    aliases: &[String],
) -> Result<Vec<Step>> {
    let life = Steps {
        source,
        settings,
        aliases,
    };
    if !settings.steps.is_empty() {
        return Ok(settings.steps.clone());
    }
    match life.device()? {
        Some(device) => life.with_device(device),
        None => life.without_device(),
    }
}

/// The input from which the usual steps of a life are made.
struct Steps<'a> {
    source: &'a DriverCrate,
    settings: &'a Settings,
    aliases: &'a [String],
}

impl Steps<'_> {
    /// Returns the device to which the driver is bound, if the machine has devices.
    fn device(&self) -> Result<Option<Device>> {
        match &self.settings.pci_id {
            Some(id) => self.of_id("pci-id", id).map(Some),
            None if self.settings.devices.is_empty() => Ok(None),
            None => Ok(device_of(self.aliases)),
        }
    }

    /// Returns the device with the IDs that a setting names.
    fn of_id(&self, setting: &str, id: &str) -> Result<Device> {
        format!("pci:{id}").parse().map_err(|e| {
            Error::new(
                format_args!("{}: {setting}", self.source.dir.display()),
                "VENDOR:DEVICE in hexadecimal digits, as in \"1234:11e8\"",
                e,
                "correct the setting",
            )
        })
    }

    /// Returns the step that fails if a device of the machine has no driver.
    fn devices_bound(&self) -> Result<Option<Step>> {
        if self.settings.devices.is_empty() {
            return Ok(None);
        }
        let leaves = self
            .settings
            .leaves
            .iter()
            .map(|id| self.of_id("leaves", id));
        let leaves = leaves.collect::<Result<_>>()?;
        Ok(Some(Step::new(
            DEVICES_BOUND,
            Action::DevicesBound { leaves },
        )))
    }

    /// Returns the steps for a driver with a device.
    fn with_device(&self, device: Device) -> Result<Vec<Step>> {
        let settings = self.settings;
        let driver = settings.driver_name(self.source).to_owned();
        let folder = format!("/sys/bus/{}/drivers/{driver}", device.bus());
        let expecting = |step: Step, rows: &[Step]| {
            let messages = rows.iter().flat_map(|row| &row.expect);
            messages.fold(step, |step, message| step.expecting(message))
        };
        let mut steps = vec![
            Step::new(
                LOADED,
                Action::LoadByAlias {
                    device: device.clone(),
                },
            ),
            Step::new(
                PROBED,
                Action::WaitBound {
                    device: device.clone(),
                    driver: driver.clone(),
                },
            ),
        ];
        steps.extend(self.devices_bound()?);
        steps.extend(settings.used.iter().cloned());
        steps.extend([
            expecting(
                Step::new(
                    REMOVED,
                    Action::Unbind {
                        device: device.clone(),
                    },
                ),
                &settings.removed,
            ),
            expecting(
                Step::new(REBOUND, Action::Bind { device, driver }),
                &settings.logs,
            ),
            expecting(
                Step::new(
                    UNLOADED,
                    Action::Unload {
                        module: self.source.module.clone(),
                    },
                ),
                &settings.removed,
            ),
            Step::new(UNREGISTERED, Action::Absent { path: folder }),
        ]);
        Ok(steps)
    }

    /// Returns the steps for a module without a device.
    fn without_device(&self) -> Result<Vec<Step>> {
        let mut steps = vec![Step::new(
            LOADED,
            Action::Load {
                module: module_path(self.source),
                params: String::new(),
            },
        )];
        steps.extend(self.devices_bound()?);
        steps.push(Step::new(
            UNLOADED,
            Action::Unload {
                module: self.source.module.clone(),
            },
        ));
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aliases_name_the_device() {
        let device = |aliases: &[&str]| {
            let aliases: Vec<String> = aliases.iter().map(|alias| (*alias).to_owned()).collect();
            device_of(&aliases).map(String::from)
        };
        assert_eq!(
            device(&["pci:v1*", "pci:v2*"]).as_deref(),
            Some("pci~pci:v1* pci:v2*")
        );
        assert_eq!(
            device(&["auxiliary:b", "acpi*:LNUX:*", "platform:a"]).as_deref(),
            Some("platform~acpi*:LNUX:* platform:a")
        );
        assert_eq!(device(&["auxiliary:a.b"]), None);
        assert_eq!(device(&[]), None);
    }
}
