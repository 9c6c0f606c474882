// SPDX-License-Identifier: GPL-2.0-only
//! Raw bindings to one kernel, and nothing else.
//!
//! Names, types and functions are those of C; the kernel's headers document them. The functions
//! named `linux_driver_*` are the shims of `c/shims.h`: they replace inline functions and macros.
//! bindgen made all of this from the headers of one kernel, so a module that uses these bindings is
//! for that kernel.
#![cfg_attr(not(test), no_std)]

// `allow` instead of `expect`, because the lints that fire differ between kernels.
#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    improper_ctypes,
    unnecessary_transmutes,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc,
    reason = "generated code"
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;

include!(concat!(env!("OUT_DIR"), "/device_table.rs"));

#[cfg(test)]
mod tests {
    /// A feature is set exactly where the kernel has it. If a `cfg` is wrong, this does not
    /// compile.
    #[test]
    fn features_follow_the_bindings() {
        #[cfg(has_field = "pci_driver.node")]
        let _ = core::mem::offset_of!(super::pci_driver, node);
        #[cfg(has_field = "pci_driver.driver_managed_dma")]
        let _ = core::mem::offset_of!(super::pci_driver, driver_managed_dma);
        // The field moved from one structure to the other, so every kernel has exactly one of them.
        let moved = (
            cfg!(has_field = "pci_dev.driver_override"),
            cfg!(has_field = "device.driver_override"),
        );
        assert!(matches!(moved, (true, false) | (false, true)), "{moved:?}");
        // The function was renamed, so every kernel has exactly one of them.
        assert!(cfg!(has_fn = "mutex_init_generic") != cfg!(has_fn = "__mutex_init"));
    }
}
