// SPDX-License-Identifier: GPL-2.0-only
//! A kernel build tree: its configuration, the flags that follow from it, the sysroot of `core`,
//! driving Kbuild, and checking the module that comes out.

// `linux_driver_host::output` does not panic where nobody reads.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod arch;
pub mod archive;
pub mod bindings;
pub mod check;
mod compiler;
pub mod config;
mod debian;
pub mod driver;
pub mod headers;
pub mod kernels;
pub mod make;
pub mod module_abi;
pub mod prepare;
pub mod recorded;
pub mod root;
mod source_kernel;
pub mod sysroot;
pub mod toolchain;
pub mod tree;
pub mod usage;

pub use linux_driver_abi::symvers;
