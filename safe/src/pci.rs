// SPDX-License-Identifier: GPL-2.0-only
//! The PCI bus.
//!
//! C headers: `include/linux/pci.h`, `include/linux/mod_devicetable.h`; `drivers/pci/pci-driver.c`.
//!
//! | here | C |
//! |---|---|
//! | [`Driver`] | `struct pci_driver` |
//! | [`DeviceId`], [`IdTable`], [`id_table!`](crate::pci::id_table) | `struct pci_device_id`, `MODULE_DEVICE_TABLE(pci, …)` |
//! | [`Bus`] | `pci_bus_type` |
//! | [`ErrorHandlers`] | `struct pci_error_handlers` |
//! | [`Bus`] | `pci_bus_type` |
//! | [`Bar`] | a BAR, requested and mapped while bound: `devm_ioremap_resource` |
//! | [`PortBar`] | a BAR of I/O ports, requested while bound: `devm_request_region` |
//! | [`Device::resource_start`], [`resource_len`](Device::resource_len), [`resource_flags`](Device::resource_flags) | `pci_resource_start`, `pci_resource_len`, `pci_resource_flags` |
//! | [`Device::alloc_irq_vectors`], [`Device::irq_vector`] | `pci_alloc_irq_vectors`, `pci_irq_vector` |
//! | [`Device::read_config_byte`] and similar methods | `pci_read_config_byte` and similar functions |
//! | [`Device::find_capability`], [`Device::find_ext_capability`] | `pci_find_capability`, `pci_find_ext_capability` |
//! | [`PowerState`], [`Device::reset_function`] | `pci_power_t`, `pci_reset_function` |
//! | [`module_pci_driver!`](crate::module_pci_driver) | `module_pci_driver` |

mod bar;
mod capability;
mod config;
mod device;
mod driver;
mod err;
mod id;
mod irq;
mod port_bar;
mod power;

use linux_driver_sys as sys;

use crate::device::DeviceState;

#[doc(inline)]
pub use crate::__pci_id_table as id_table;
pub use bar::Bar;
pub use capability::*;
pub use device::Device;
#[doc(hidden)]
pub use driver::driver;
pub use driver::{Adapter, Driver};
pub use err::{ChannelState, ErrHandler, ErrorHandlers, ErsResult};
pub use id::{DeviceId, IdTable};
#[doc(hidden)]
pub use id::{Table, raw_table};
pub use irq::{IrqTypes, PCI_IRQ_INTX, PCI_IRQ_MSI, PCI_IRQ_MSIX};
pub use port_bar::PortBar;
pub use power::PowerState;

/// [`Device::resource_flags`]: the BAR is memory.
pub const IORESOURCE_MEM: u64 = sys::IORESOURCE_MEM as u64;
/// [`Device::resource_flags`]: the BAR is I/O ports.
pub const IORESOURCE_IO: u64 = sys::IORESOURCE_IO as u64;

/// The PCI bus: C's `pci_bus_type`.
#[doc(alias = "pci_bus_type")]
pub struct Bus(());

// SAFETY: `Device<S>` is transparent over `struct pci_dev`, which embeds the `struct device` of
// each device of this bus.
unsafe impl crate::bus::Bus for Bus {
    type Device<S: DeviceState> = Device<S>;

    unsafe fn from_raw<'a, S: DeviceState>(dev: *mut sys::device) -> &'a Device<S> {
        // SAFETY: by the caller's promise `dev` is embedded in a device of this bus.
        let pdev = unsafe { dev.byte_sub(core::mem::offset_of!(sys::pci_dev, dev)) };
        // SAFETY: as above; it is in the state `S` for `'a`.
        unsafe { Device::from_raw(pdev.cast()) }
    }
}
