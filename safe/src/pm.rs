// SPDX-License-Identifier: GPL-2.0-only
//! Power management of devices: `struct dev_pm_ops`, and runtime power management.
//!
//! C headers: `include/linux/pm.h`, `include/linux/pm_runtime.h`; `drivers/base/power/main.c`,
//! `drivers/base/power/runtime.c`.

mod enabled;
mod ops;
pub mod runtime;

pub(crate) use enabled::{disable, enable, wake};
pub use ops::Operations;
pub(crate) use ops::{has_runtime, ops};
pub(crate) use runtime::{start, stop};
