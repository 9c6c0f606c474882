// SPDX-License-Identifier: GPL-2.0-only
//! The checks of a built module, before anything loads it.
//!
//! [`check`] compares a `.ko` with the rules of the kernel that it was built for. [`module_abi`]
//! compares it with another kernel, and tells if it loads there as it is.

// The functions of `linux_driver_host::output` do not panic when the reader has closed the pipe.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod checks;
pub mod module_abi;

pub use checks::{
    Expectations, LoadedSection, LoadedSize, ModInfo, Part, Ran, Report, Rules, Violation, check,
    check_against, loaded_size, modinfo, rust_object, undefined,
};
