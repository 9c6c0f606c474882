// SPDX-License-Identifier: GPL-2.0-only
//! A kernel build tree: its configuration, the flags that follow from it, the sysroot of `core`,
//! driving Kbuild, and checking the module that comes out.

// `linux_driver_host::output` does not panic where nobody reads.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod arch;
pub mod bindings;
pub mod driver;
pub mod headers;
pub mod make;
pub mod prepare;
pub mod recorded;
pub mod sysroot;
pub mod toolchain;
pub mod usage;
