// SPDX-License-Identifier: GPL-2.0-only
//! Linux drivers in Rust, outside the kernel tree, for the kernels that people run.
//!
//! This is the only crate that a driver depends on. It re-exports the modules of the safe layer,
//! [`linux_driver_safe`], under their own names, and the raw bindings as [`sys`].
//!
//! ```
//! # #![forbid(unsafe_code)]
//! use linux_driver::pci;
//! use linux_driver::prelude::*;
//!
//! struct Edu;
//!
//! #[vtable]
//! impl pci::Driver for Edu {
//!     type IdInfo = ();
//!     const NAME: &'static CStr = c"edu";
//!     const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];
//!
//!     fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
//!         dev_info!(dev, "hello, {:04x}:{:04x}", dev.vendor(), dev.device());
//!         Ok(Edu)
//!     }
//! }
//!
//! linux_driver::module_pci_driver! {
//!     type: Edu,
//!     license: "GPL",
//!     author: "A. Author",
//!     description: "Says hello to QEMU's edu device",
//! }
//! # fn main() {}
//! ```
#![no_std]

pub use linux_driver_safe::*;
pub use linux_driver_sys as sys;
