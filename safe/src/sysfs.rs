// SPDX-License-Identifier: GPL-2.0-only
//! Attributes in sysfs: files in the folder of a device or of a driver.
//!
//! C headers: `include/linux/sysfs.h`, `include/linux/device.h` (`DEVICE_ATTR_RW` and the like);
//! `fs/sysfs/group.c`.
//!
//! The driver core creates the files of a bound device after `probe` has succeeded. It removes them
//! before `remove`, and waits for the callbacks that still run. Therefore an attribute's callbacks
//! have the driver's data, and the device is bound.
//!
//! # Examples
//!
//! ```
//! use linux_driver::pci;
//! use linux_driver::prelude::*;
//! use linux_driver::sysfs::{self, Page};
//! # use core::sync::atomic::{AtomicU32, Ordering};
//!
//! struct Edu { runs: AtomicU32 }
//!
//! /// `/sys/bus/pci/devices/…/runs`: the number of uses. Writing anything sets it to 0.
//! struct Runs;
//!
//! #[vtable]
//! impl sysfs::DeviceAttribute for Runs {
//!     type Data = Edu;
//!     type Bus = pci::Bus;
//!     const NAME: &'static CStr = c"runs";
//!
//!     fn show(_dev: &pci::Device<Bound>, this: Pin<&Edu>, page: &mut Page) -> Result {
//!         sysfs_emit!(page, "{}\n", this.runs.load(Ordering::Relaxed))
//!     }
//!
//!     fn store(_dev: &pci::Device<Bound>, this: Pin<&Edu>, _text: &[u8]) -> Result {
//!         this.runs.store(0, Ordering::Relaxed);
//!         Ok(())
//!     }
//! }
//!
//! const GROUPS: sysfs::DeviceGroups<Edu, pci::Bus> = sysfs::device_groups![Runs];
//! # let _ = GROUPS;
//! ```

mod attribute;
mod group;
mod page;

#[doc(inline)]
pub use crate::__sysfs_device_groups as device_groups;
#[doc(inline)]
pub use crate::__sysfs_driver_groups as driver_groups;
pub use attribute::{DeviceAttribute, DriverAttribute};
pub(crate) use attribute::{attribute, shown, stored};
#[doc(hidden)]
pub use group::{Attr, Group, Listed, group, of_device, of_driver};
pub use group::{DeviceGroups, DriverGroups, Groups};
pub use page::Page;
