// SPDX-License-Identifier: GPL-2.0-only
//! A scenario: a named variant of a driver's trial.

use linux_driver_vm::Step;
use serde::Deserialize;

/// A machine, and what is done in it with the driver.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// What it is about, for a person and for `--scenario`.
    pub name: String,
    /// The devices, where they are not the driver's. As for all of the machine, those of the driver
    /// are inherited where this says nothing; an empty list says that there are none.
    pub devices: Option<Vec<String>>,
    /// PCIe ports with hot plug, where they are not the driver's.
    pub ports: Option<Vec<String>>,
    /// Further arguments for QEMU, where they are not the driver's.
    pub qemu_args: Option<Vec<String>>,
    /// Further parameters on the kernel's command line, where they are not the driver's.
    pub append: Option<Vec<String>>,
    /// Options without which it shows nothing: it is not tried then.
    #[serde(default)]
    pub needs_config: Vec<String>,
    /// Options with which it shows nothing.
    #[serde(default)]
    pub without_config: Vec<String>,
    /// What is done. The module is `/MODULE.ko` in the machine, and not loaded.
    pub steps: Vec<Step>,
}
