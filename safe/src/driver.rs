// SPDX-License-Identifier: GPL-2.0-only
//! `struct device_driver` and its registration.
//!
//! C headers: `include/linux/device/driver.h`; `drivers/base/driver.c`, `drivers/base/bus.c`,
//! `drivers/base/dd.c`.
//!
//! Here is what the drivers of all buses share: the members of `struct device_driver`
//! ([`DeviceDriver`]), how a driver is registered ([`Registration`]), and where the data of a bound
//! device is. Which devices a driver matches is each bus's own: there are no IDs in this module.
//!
//! # Static, or made at run time
//!
//! A driver structure is a static where the module is a driver and nothing else
//! (`module_pci_driver!` and its kin): what is known at compile time is then in the module's
//! `.data`. A module that is more than that registers its drivers when it is loaded, in place, with
//! [`Registration::new`]: the structure is then part of the module's state.

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
