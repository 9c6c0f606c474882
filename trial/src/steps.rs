// SPDX-License-Identifier: GPL-2.0-only
//! The steps of a driver's life: the default if its manifest lists no steps.

use linux_driver_host::{Error, Result};
use linux_driver_kbuild::DriverCrate;
use linux_driver_vm::{Action, Device, Step};

use crate::settings::Settings;

/// The role of a step in the usual life. Steps of a manifest can have the same names as the usual
/// steps, but they have no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Loads the module.
    Load,
    /// Waits until the device is bound.
    Probe,
    /// Unbinds the device for the first time.
    Remove,
    /// Another one of the usual steps.
    Other,
    /// A step of the manifest.
    Manifest,
}

/// A step of a life.
#[derive(Debug)]
pub(crate) struct LifeStep {
    pub(crate) role: Role,
    pub(crate) step: Step,
}

impl LifeStep {
    fn usual(role: Role, name: &str, action: Action) -> Self {
        Self {
            role,
            step: Step::new(name, action),
        }
    }

    fn of_manifest(steps: &[Step]) -> impl Iterator<Item = Self> {
        steps.iter().cloned().map(|step| Self {
            role: Role::Manifest,
            step,
        })
    }

    /// Adds the messages that these steps expect.
    fn expecting(mut self, rows: &[Step]) -> Self {
        let messages = rows.iter().flat_map(|row| row.expect.iter().cloned());
        self.step.expect.extend(messages);
        self
    }
}

const LOADED: &str = "the module is loaded";
const PROBED: &str = "the device is bound";
const REMOVED: &str = "the device is unbound";
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
) -> Result<Vec<LifeStep>> {
    let life = Steps {
        source,
        settings,
        aliases,
    };
    if !settings.steps.is_empty() {
        return Ok(LifeStep::of_manifest(&settings.steps).collect());
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
    fn devices_bound(&self) -> Result<Option<LifeStep>> {
        if self.settings.devices.is_empty() {
            return Ok(None);
        }
        let leaves = self
            .settings
            .leaves
            .iter()
            .map(|id| self.of_id("leaves", id));
        let leaves = leaves.collect::<Result<_>>()?;
        Ok(Some(LifeStep::usual(
            Role::Other,
            DEVICES_BOUND,
            Action::DevicesBound { leaves },
        )))
    }

    /// Returns the steps for a driver with a device.
    fn with_device(&self, device: Device) -> Result<Vec<LifeStep>> {
        let settings = self.settings;
        let driver = settings.driver_name(self.source).to_owned();
        let folder = format!("/sys/bus/{}/drivers/{driver}", device.bus());
        let load = Action::LoadByAlias {
            device: device.clone(),
        };
        let probe = Action::WaitBound {
            device: device.clone(),
            driver: driver.clone(),
        };
        let remove = Action::Unbind {
            device: device.clone(),
        };
        let rebind = Action::Bind { device, driver };
        let unload = Action::Unload {
            module: self.source.module.clone(),
        };
        let gone = Action::Absent { path: folder };
        let mut steps = vec![
            LifeStep::usual(Role::Load, LOADED, load),
            LifeStep::usual(Role::Probe, PROBED, probe),
        ];
        steps.extend(self.devices_bound()?);
        steps.extend(LifeStep::of_manifest(&settings.used));
        steps.extend([
            LifeStep::usual(Role::Remove, REMOVED, remove).expecting(&settings.removed),
            LifeStep::usual(Role::Other, REBOUND, rebind).expecting(&settings.logs),
            LifeStep::usual(Role::Other, UNLOADED, unload).expecting(&settings.removed),
            LifeStep::usual(Role::Other, UNREGISTERED, gone),
        ]);
        Ok(steps)
    }

    /// Returns the steps for a module without a device.
    fn without_device(&self) -> Result<Vec<LifeStep>> {
        let load = Action::Load {
            module: module_path(self.source),
            params: String::new(),
        };
        let unload = Action::Unload {
            module: self.source.module.clone(),
        };
        let mut steps = vec![LifeStep::usual(Role::Load, LOADED, load)];
        steps.extend(self.devices_bound()?);
        steps.push(LifeStep::usual(Role::Other, UNLOADED, unload));
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
