// SPDX-License-Identifier: GPL-2.0-only
//! The PCI bus.
//!
//! C headers: `include/linux/pci.h`, `include/linux/mod_devicetable.h`; `drivers/pci/pci-driver.c`.
//!
//! | here | C |
//! |---|---|
//! | [`Driver`] | `struct pci_driver` |
//! | [`DeviceId`], [`IdTable`], [`id_table!`](crate::pci::id_table) | `struct pci_device_id`, `MODULE_DEVICE_TABLE(pci, …)` |
//! | [`Device`] | `struct pci_dev` |
//! | [`Bar`] | a BAR, requested and mapped while bound: `devm_ioremap_resource` |
//! | [`module_pci_driver!`](crate::module_pci_driver) | `module_pci_driver` |

mod bar;
mod device;
mod driver;
mod id;

#[doc(inline)]
pub use crate::__pci_id_table as id_table;
pub use bar::Bar;
pub use device::Device;
pub use driver::Driver;
#[doc(hidden)]
pub use driver::{Adapter, PciModule, StaticDriver, driver};
pub use id::{DeviceId, IdTable};
#[doc(hidden)]
pub use id::{raw_table, table_array};
