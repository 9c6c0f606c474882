// SPDX-License-Identifier: GPL-2.0-only
//! Raw bindings to the kernel that they were made for, and nothing else.
//!
//! Names, types and functions are C's; the kernel's headers document them. `linux_driver_*`
//! functions are the shims of `c/shims.h`: what C has as an inline function or a macro. bindgen
//! made all of it from the headers of one kernel: a module that uses these bindings is for that
//! kernel.
#![cfg_attr(not(test), no_std)]

// `allow` and not `expect`: which of them fire differs from kernel to kernel.
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
    /// A feature is there just where the kernel has it: this does not compile where a `cfg` is set
    /// wrongly.
    #[test]
    fn features_follow_the_bindings() {
        #[cfg(has_field = "pci_driver.node")]
        let _ = core::mem::offset_of!(super::pci_driver, node);
        #[cfg(has_field = "pci_driver.driver_managed_dma")]
        let _ = core::mem::offset_of!(super::pci_driver, driver_managed_dma);
        // It moved from one to the other: every kernel has it in one of them.
        let moved = (
            cfg!(has_field = "pci_dev.driver_override"),
            cfg!(has_field = "device.driver_override"),
        );
        assert!(matches!(moved, (true, false) | (false, true)), "{moved:?}");
        // Renamed: every kernel has one of them.
        assert!(cfg!(has_fn = "mutex_init_generic") != cfg!(has_fn = "__mutex_init"));
    }
}
