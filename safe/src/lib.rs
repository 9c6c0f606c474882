// SPDX-License-Identifier: GPL-2.0-only
//! The driver model in safe Rust, with the names and the lifecycle of the kernel's driver core.
//!
//! | module | what it holds | C header |
//! |---|---|---|
//! | [`bus`] | `struct bus_type` | `include/linux/device/bus.h` |
//! | [`driver`] | `struct device_driver` and its registration | `include/linux/device/driver.h` |
//! | [`device`] | `struct device` and the states of a device | `include/linux/device.h` |
//! | [`pm`] | `struct dev_pm_ops` and runtime power management | `include/linux/pm.h`, `include/linux/pm_runtime.h` |
//! | [`pci`] | the PCI bus: IDs, driver, device, BARs | `include/linux/pci.h` |
//! | [`platform`] | the platform bus: IDs, driver, device, devices that a module registers | `include/linux/platform_device.h` |
//! | [`io`] | registers: mapped into memory, or behind I/O ports | `arch/x86/include/asm/io.h`, `include/linux/iopoll.h` |
//! | [`irq`] | interrupts | `include/linux/interrupt.h` |
//! | [`dma`] | memory that devices read and write | `include/linux/dma-mapping.h` |
//! | [`sysfs`] | attributes in sysfs | `include/linux/sysfs.h` |
//! | [`devres`] | what is tied to a binding | `include/linux/device/devres.h` |
//! | [`miscdevice`] | `struct miscdevice` and its file operations | `include/linux/miscdevice.h`, `include/linux/fs.h` |
//! | [`fs`] | `struct file` | `include/linux/fs.h` |
//! | [`bytes`] | types that are copied as bytes | – |
//! | [`init`](mod@init) | initialisation in place | – |
//! | [`uaccess`] | copies from and to user space | `include/linux/uaccess.h` |
//! | [`ioctl`] | numbers of commands | `include/uapi/asm-generic/ioctl.h` |
//! | [`poll`] | waiting for events of a file | `include/linux/poll.h` |
//! | [`mm`] | `mmap` of a file | `include/linux/mm.h` |
//! | [`module`](mod@module) | a module's entry and exit | `include/linux/module.h` |
//! | [`error`] | errno | `include/linux/errno.h`, `include/linux/err.h` |
//! | [`alloc`] | kernel memory | `include/linux/slab.h` |
//! | [`sync`] | locks, RCU, reference counts, atomics | `include/linux/mutex.h`, `include/linux/spinlock.h`, … |
//! | [`completion`] | waiting until something is done | `include/linux/completion.h` |
//! | [`workqueue`] | work that runs later | `include/linux/workqueue.h` |
//! | [`wait`] | waiting for a condition | `include/linux/wait.h` |
//! | [`jiffies`] | time as the scheduler counts it | `include/linux/jiffies.h` |
//! | [`print`] | printk | `include/linux/printk.h`, `include/linux/dev_printk.h` |
//!
//! The [table of names](#names) lists the C name of each type.
//!
//! # Integer overflow
//!
//! Drivers are built with overflow checks. An overflow panics, and a panic ends in `BUG()` with its
//! message and source location. If wrapping is intended, use `wrapping_add` and the like.
#![doc = include_str!("../LOCKS.md")]
#![doc = include_str!("../NAMES.md")]
#![cfg_attr(not(test), no_std)]

pub mod alloc;
pub mod bus;
pub mod bytes;
pub mod completion;
pub mod device;
pub mod devres;
pub mod dma;
pub mod driver;
pub mod error;
pub mod fs;
pub mod init;
pub mod io;
pub mod ioctl;
pub mod irq;
pub mod jiffies;
pub mod miscdevice;
pub mod mm;
pub mod module;
pub mod pci;
mod place;
pub mod platform;
pub mod pm;
pub mod poll;
pub mod prelude;
pub mod print;
pub mod sync;
pub mod sysfs;
mod task;
pub mod types;
pub mod uaccess;
pub mod wait;
pub mod workqueue;

#[cfg(target_os = "none")]
mod panic;

/// A value that only the expansion of `#[vtable]` makes.
#[doc(hidden)]
pub struct __ByTheAttribute(());

impl __ByTheAttribute {
    #[doc(hidden)]
    pub const fn new() -> Self {
        Self(())
    }
}

/// Re-exports `core` under a name that does not depend on a driver's dependencies.
#[doc(hidden)]
pub use ::core as __core;
#[doc(hidden)]
pub use linux_driver_macros as macros;
pub use linux_driver_macros::vtable;
#[doc(hidden)]
pub use linux_driver_sys as sys;

/// The items that this crate's own macros expand to. Code that calls them by hand can write through
/// any pointer.
#[doc(hidden)]
pub mod __for_its_own_macros_and_unsound_by_hand {
    pub use pinned_init::{
        __pin_data, __pinned_drop, PinnedDrop, init, pin_init, try_init, try_pin_init,
    };
}

// Attributes and derives expand to paths that start with this crate's name, in this crate too.
extern crate self as linux_driver_safe;
