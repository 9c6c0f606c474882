// SPDX-License-Identifier: GPL-2.0-only
//! `struct device_driver` and its registration.
//!
//! C headers: `include/linux/device/driver.h`; `drivers/base/driver.c`, `drivers/base/bus.c`,
//! `drivers/base/dd.c`.
//!
//! This module contains the parts that the drivers of all buses share. These are the members of
//! `struct device_driver` ([`DeviceDriver`]), the registration of a driver ([`Registration`]), and
//! the memory for the data of a bound device. It has no device IDs: each bus decides which devices
//! a driver matches.
//!
//! # Static, or made at run time
//!
//! In a module that consists of one driver (`module_pci_driver!` and the like), the driver
//! structure is a static. Everything known at compile time is then in the module's `.data`. A
//! module with more than one driver, or with other state, registers its drivers when it is loaded,
//! with [`Registration::new`]. Such a driver structure is part of the module's state.

mod binding;
mod members;
mod registration;
mod turn;

pub(crate) use binding::{Head, Memory, bind, bound_data, data, head_and_data, unbind};
pub(crate) use members::name;
pub use members::{Callbacks, DeviceDriver, ProbeType};
#[doc(hidden)]
pub use members::{Called, NotWritten, Written};
pub use registration::{Adapter, Registration, RegistrationOps};
#[doc(hidden)]
pub use registration::{DriverModule, Static, StaticDriver};
pub(crate) use turn::{HandlerCall, NewTurns, Turn, end as end_turns, handlers_have_returned};
