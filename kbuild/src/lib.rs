// SPDX-License-Identifier: GPL-2.0-only
//! From a driver crate to a module.
//!
//! [`DriverCrate`] finds the driver, and [`Builder`] makes a [`Module`] of it for one kernel:
//! `toolchain` and `sysroot` provide rustc and `core`. `arch` has the compiler's flags. `prepare`
//! prepares the kernel for the bindings. `compile` makes the Rust object of the crate:
//! `host_crates` keeps crates that are the same for all drivers, and `unseen` looks for unsafe code
//! that rustc's lint misses. `link` keeps the reachable part of the object, and [`Kbuild`] makes
//! the module. `headers` and `bindings` read what the kernel's compiler and rustc lay out; `usage`
//! reads what the code uses.

// `linux_driver_host::output` does not panic where nobody reads.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod arch;
pub mod bindings;
mod builder;
mod compile;
mod driver_crate;
pub mod headers;
mod host_crates;
mod link;
mod make;
pub mod prepare;
pub mod recorded;
pub mod sysroot;
pub mod toolchain;
mod unseen;
pub mod usage;

pub use builder::{Builder, Module};
pub use driver_crate::{DriverCrate, Language};
pub use link::symbols;
pub use make::{Kbuild, no_warnings};
